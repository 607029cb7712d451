// Routing a block of rows by masks, on a vector type: included once for each instruction set. Every split of a tree is
// compared for all rows at once, one bit a row, and the bits then choose each other from the root down: a level's bit is
// that of the split that the bits above it lead to. No row waits for another, and no branch depends on the data. Traits M
// give a vector `Bits` of kBlockRows bits and the few operations used here.

/** A block's mask of each split, and later of each level. */
using BlockMask = uint64_t[kBlockRows / 64];

/** The bits of `level` at the splits whose path begins with `path`, chosen by the bits of the levels above, from `above` on. */
template <class M, int kLevel, int kAbove>
[[gnu::always_inline]] inline typename M::Bits choose(const BlockMask* masks, const typename M::Bits* bits, int path) {
  if constexpr (kAbove == kLevel) {
    return M::load(masks[(1 << kLevel) - 1 + path]);
  } else {
    return M::select(bits[kAbove], choose<M, kLevel, kAbove + 1>(masks, bits, 2 * path + 1),
                     choose<M, kLevel, kAbove + 1>(masks, bits, 2 * path));
  }
}

template <class M, int kLevel, int kLevels>
[[gnu::always_inline]] inline void choose_levels(const BlockMask* masks, typename M::Bits* bits, BlockMask* levels) {
  if constexpr (kLevel < kLevels) {
    bits[kLevel] = choose<M, kLevel, 0>(masks, bits, 0);
    M::store(levels[kLevel], bits[kLevel]);
    choose_levels<M, kLevel + 1, kLevels>(masks, bits, levels);
  }
}

/** Everything about one tree that follows the comparisons. */
template <class M, int kLevels>
void add_paths(const BlockMask* masks, const int32_t* paths, int32_t* margins) {
  typename M::Bits bits[kLevels];
  alignas(kCacheLine) BlockMask levels[kLevels];
  choose_levels<M, 0, kLevels>(masks, bits, levels);
  M::template add_leaves<kLevels>(levels, paths, margins);
}

template <class M, int kLevels>
void start_nodes(const BlockMask* masks, const int32_t* paths, uint32_t* at) {
  typename M::Bits bits[kLevels];
  alignas(kCacheLine) BlockMask levels[kLevels];
  choose_levels<M, 0, kLevels>(masks, bits, levels);
  alignas(kCacheLine) uint8_t path[kBlockRows];
  M::template paths_of<kLevels>(levels, path);
  for (size_t i = 0; i < kBlockRows; ++i) at[i] = static_cast<uint32_t>(paths[path[i]]);
}

template <class M>
void add_trees(const CompiledForest& forest, size_t first, size_t last, const uint8_t* planes, size_t rows,
               int32_t* margins) {
  using AddPaths = void (*)(const BlockMask*, const int32_t*, int32_t*);
  using StartNodes = void (*)(const BlockMask*, const int32_t*, uint32_t*);
  static constexpr AddPaths kAddPaths[] = {nullptr,          add_paths<M, 1>, add_paths<M, 2>, add_paths<M, 3>, add_paths<M, 4>,
                                           add_paths<M, 5>, add_paths<M, 6>, add_paths<M, 7>, add_paths<M, 8>};
  static constexpr StartNodes kStartNodes[] = {nullptr,           start_nodes<M, 1>, start_nodes<M, 2>, start_nodes<M, 3>, start_nodes<M, 4>,
                                               start_nodes<M, 5>, start_nodes<M, 6>, start_nodes<M, 7>, start_nodes<M, 8>};
  alignas(kCacheLine) BlockMask masks[256] = {};
  alignas(kCacheLine) uint32_t at[kBlockRows];
  for (size_t t = first; t < last; ++t) {
    const ForestTree& tree = forest.trees()[t];
    int32_t* const of_output = margins + tree.output * kBlockRows;
    const int32_t* const paths = forest.paths(tree);
    for (size_t s = tree.splits_begin; s < tree.splits_end; ++s) {
      const MaskSplit& split = forest.splits()[s];
      M::compare(planes + size_t{split.plane} * kBlockRows, split.test, masks[split.slot]);
    }
    for (size_t s = tree.set_splits_begin; s < tree.set_splits_end; ++s) {
      const MaskSetSplit& split = forest.set_splits()[s];
      M::compare_set(planes + size_t{split.plane} * kBlockRows, forest.set(split.set), masks[split.slot]);
    }
    if (tree.levels == 0) {
      for (size_t i = 0; i < kBlockRows; ++i) of_output[i] = add_leaf(of_output[i], paths[0]);
    } else if (tree.deeper()) {
      kStartNodes[tree.levels](masks, paths, at);
      walk_from(forest, tree, planes, rows, at, of_output);
    } else {
      kAddPaths[tree.levels](masks, paths, of_output);
    }
  }
}
