#pragma once

#include "cpu/data.h"

namespace lockstep {

inline bool same_trees(const Ensemble& a, const Ensemble& b) {
  if (a.trees.size() != b.trees.size() || a.base_margins != b.base_margins) return false;
  for (size_t t = 0; t < a.trees.size(); ++t) {
    if (a.trees[t].nodes.size() != b.trees[t].nodes.size()) return false;
    for (size_t n = 0; n < a.trees[t].nodes.size(); ++n) {
      const Node& x = a.trees[t].nodes[n];
      const Node& y = b.trees[t].nodes[n];
      if (x.feature != y.feature || x.split_bin != y.split_bin || x.leaf != y.leaf || x.left != y.left ||
          x.missing_left != y.missing_left || x.gain != y.gain || x.cover != y.cover) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace lockstep
