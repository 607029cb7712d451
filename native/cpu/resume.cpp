#include "cpu/resume.h"

#include <stdexcept>

namespace lockstep {

void take_up_trees(const DatasetView& data, const JobSpec& job, Ensemble& ensemble) {
  if (job.resume == nullptr) return;
  const Ensemble& before = *job.resume;
  const bool own = before.classes == ensemble.classes && before.margin_bits == ensemble.margin_bits &&
                   before.base_margins == ensemble.base_margins && before.base_value == ensemble.base_value &&
                   before.trees.size() % static_cast<size_t>(ensemble.classes) == 0;
  if (!own) {
    throw std::invalid_argument("the trees to go on after are not of this job: objective, rows or base differ");
  }
  for (const Tree& tree : before.trees) {
    for (const Node& node : tree.nodes) {
      if (node.feature < 0) continue;
      const bool categorical = data.categorical[static_cast<size_t>(node.feature)] != 0;
      if (categorical != (node.cat_index >= 0)) {
        throw std::invalid_argument("the trees to go on after are not of this job: the types of features differ");
      }
    }
  }
  ensemble.trees = before.trees;
}

}  // namespace lockstep
