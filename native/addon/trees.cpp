#include "addon/trees.h"

#include <algorithm>

#include "addon/values.h"
#include "core/fixed.h"
#include "core/softmax.h"

namespace lockstep::addon {

Napi::Object to_flat_trees(Napi::Env env, const Ensemble& ensemble, size_t rounds) {
  const auto classes = static_cast<size_t>(ensemble.classes);
  const size_t trees = std::min(rounds, ensemble.trees.size() / classes) * classes;
  std::vector<int32_t> start{0};
  std::vector<int32_t> feature;
  std::vector<int32_t> left;
  std::vector<int32_t> leaf;
  std::vector<int32_t> cat_index;
  std::vector<uint8_t> split_bin;
  std::vector<uint8_t> missing_left;
  std::vector<double> gain;
  std::vector<double> cover;
  std::vector<uint32_t> cat_sets;
  for (size_t t = 0; t < trees; ++t) {
    const Tree& tree = ensemble.trees[t];
    const auto first_set = static_cast<int32_t>(cat_sets.size() / 8);
    for (const Node& node : tree.nodes) {
      feature.push_back(node.feature);
      left.push_back(node.left);
      leaf.push_back(node.leaf);
      cat_index.push_back(node.cat_index < 0 ? -1 : first_set + node.cat_index);
      split_bin.push_back(node.split_bin);
      missing_left.push_back(node.missing_left);
      gain.push_back(node.gain);
      cover.push_back(node.cover);
    }
    for (const CodeSet& set : tree.cat_sets) cat_sets.insert(cat_sets.end(), set.word, set.word + 8);
    start.push_back(static_cast<int32_t>(feature.size()));
  }
  Napi::Object flat = Napi::Object::New(env);
  flat.Set("classes", ensemble.classes);
  flat.Set("marginBits", ensemble.margin_bits);
  flat.Set("baseMargins", new_typed_array<Napi::Int32Array>(env, ensemble.base_margins));
  flat.Set("baseValue", ensemble.base_value);
  flat.Set("treeStart", new_typed_array<Napi::Int32Array>(env, start));
  flat.Set("feature", new_typed_array<Napi::Int32Array>(env, feature));
  flat.Set("splitBin", new_typed_array<Napi::Uint8Array>(env, split_bin));
  flat.Set("missingLeft", new_typed_array<Napi::Uint8Array>(env, missing_left));
  flat.Set("left", new_typed_array<Napi::Int32Array>(env, left));
  flat.Set("leaf", new_typed_array<Napi::Int32Array>(env, leaf));
  flat.Set("gain", new_typed_array<Napi::Float64Array>(env, gain));
  flat.Set("cover", new_typed_array<Napi::Float64Array>(env, cover));
  flat.Set("catIndex", new_typed_array<Napi::Int32Array>(env, cat_index));
  flat.Set("catSets", new_typed_array<Napi::Uint32Array>(env, cat_sets));
  return flat;
}

Ensemble from_flat_trees(const Napi::Object& flat, int features) {
  const auto malformed = [&](const char* what) {
    return Napi::RangeError::New(flat.Env(), std::string("The trees are malformed: ") + what + ".");
  };
  Ensemble ensemble;
  ensemble.margin_bits = static_cast<int>(number(flat, "marginBits"));
  const size_t classes = count(flat, "classes");
  if (classes < 1 || classes > kMaxClasses) throw malformed("classes is not 1 to 255");
  ensemble.classes = static_cast<int>(classes);
  const Span<int32_t> base_margins = typed_array_of<int32_t>(flat, "baseMargins", classes);
  for (size_t c = 0; c < classes; ++c) ensemble.base_margins.push_back(clamp_margin(base_margins.data[c]));
  ensemble.base_value = static_cast<float>(number(flat, "baseValue"));
  const Span<int32_t> start = typed_array<int32_t>(flat.Get("treeStart"), "treeStart");
  if (start.length == 0 || start.data[0] != 0) throw malformed("treeStart does not begin with 0");
  const auto nodes = static_cast<size_t>(std::max(0, start.data[start.length - 1]));
  const Span<int32_t> feature = typed_array_of<int32_t>(flat, "feature", nodes);
  const Span<int32_t> left = typed_array_of<int32_t>(flat, "left", nodes);
  const Span<int32_t> leaf = typed_array_of<int32_t>(flat, "leaf", nodes);
  const Span<int32_t> cat_index = typed_array_of<int32_t>(flat, "catIndex", nodes);
  const Span<uint8_t> split_bin = typed_array_of<uint8_t>(flat, "splitBin", nodes);
  const Span<uint8_t> missing_left = typed_array_of<uint8_t>(flat, "missingLeft", nodes);
  const Span<double> gain = typed_array_of<double>(flat, "gain", nodes);
  const Span<double> cover = typed_array_of<double>(flat, "cover", nodes);
  const Span<uint32_t> sets = typed_array<uint32_t>(flat.Get("catSets"), "catSets");
  for (size_t t = 0; t + 1 < start.length; ++t) {
    const int64_t begin = start.data[t];
    const int64_t size = int64_t{start.data[t + 1]} - begin;
    if (size < 1 || begin + size > static_cast<int64_t>(nodes)) throw malformed("a tree has no nodes");
    Tree tree;
    for (int64_t n = 0; n < size; ++n) {
      const auto i = static_cast<size_t>(begin + n);
      Node node;
      node.feature = feature.data[i];
      node.left = left.data[i];
      node.leaf = leaf.data[i];
      node.split_bin = split_bin.data[i];
      node.missing_left = missing_left.data[i];
      node.gain = gain.data[i];
      node.cover = cover.data[i];
      if (node.leaf > kLeafLimit || node.leaf < -kLeafLimit) throw malformed("a leaf is out of range");
      if (node.feature >= features) throw malformed("a split names a feature that the data does not have");
      if (node.feature >= 0 && (node.left <= n || node.left + 1 >= size)) throw malformed("a child is out of order");
      if (node.feature >= 0 && cat_index.data[i] >= 0) {
        const size_t set = 8 * static_cast<size_t>(cat_index.data[i]);
        if (set + 8 > sets.length) throw malformed("a set of categories is absent");
        CodeSet codes;
        std::copy(sets.data + set, sets.data + set + 8, codes.word);
        node.cat_index = static_cast<int32_t>(tree.cat_sets.size());
        tree.cat_sets.push_back(codes);
      }
      tree.nodes.push_back(node);
    }
    ensemble.trees.push_back(std::move(tree));
  }
  return ensemble;
}

}  // namespace lockstep::addon
