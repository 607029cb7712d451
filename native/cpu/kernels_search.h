// Split search over a vector type: included once for each instruction set, after a `namespace` of its own is open, with
// its vector traits in scope. A traits type V gives kLanes 32-bit lanes:
//   Words      kLanes/2 cells of 64 bits: load, store, add, sub; the second of a pair lies `apart` cells from the first,
//              which is half a vector, or where a vector takes both halves of a group the distance of these
//   Ints       high_halves(a, b), low_halves(a, b): of two Words, lane i is cell lane_of(i)
//   Floats     from_int, set, add, sub, mul, fma (a·b + c), fms (a·b − c), abs, max
//   Mask       at_most(Ints a, Ints limit) unsigned, at_least(Floats a, Floats b); bits as an unsigned number
// and a traits type D the same for kLanes binary64 lanes: Doubles from 64-bit sums.

/** Bits of lanes in the order of a vector's mask. */
template <class V>
uint32_t mask_order(uint32_t lanes, int first) {
  uint32_t mask = 0;
  for (int bit = 0; bit < V::kLanes; ++bit) mask |= (lanes >> (first + V::lane_of(bit)) & 1u) << bit;
  return mask;
}

/** The filter of one node in binary32; docs/numerics.md section 7. Gradients are scaled by 2^-31 against overflow. */
template <class V, bool kAlpha>
struct NarrowFilter {
  typename V::Floats lambda, total, scaled_total, gradient, alpha, threshold, slack;
  typename V::Ints least, range;

  static constexpr double kScale = 0x1p-31;
  /** A lesser threshold counts as none: it would not be a normal number, and its rounding not a relative one. */
  static constexpr double kLeastThreshold = 0x1p-100;

  explicit NarrowFilter(const NodeSearch& search) {
    const GainFilter& f = search.filter();
    lambda = V::set(static_cast<float>(f.lambda));
    total = V::set(static_cast<float>(f.total));
    scaled_total = V::set(static_cast<float>(f.total * kScale));
    gradient = V::set(static_cast<float>(f.gradient * kScale));
    alpha = V::set(static_cast<float>(f.alpha * kScale));
    least = V::set_int(static_cast<uint32_t>(f.least_hessian));
    range = V::set_int(static_cast<uint32_t>(search.node_hessian() - 2 * f.least_hessian));
    aim(search);
  }

  void aim(const NodeSearch& search) {
    const GainFilter& f = search.filter();
    const double scaled = f.threshold * (kScale * kScale);
    threshold = V::set(scaled < kLeastThreshold ? 0 : static_cast<float>(scaled));
    slack = V::set(static_cast<float>(f.slack * (kScale * kScale) * (1 + 0x1p-20)));
  }

  /** Lanes whose left sums, in packed words, may make the best split. */
  uint32_t pass(typename V::Words a, typename V::Words b) const {
    return pass_sums(V::high_halves(a, b), V::low_halves(a, b));
  }

  /** The same for sums in words of their own. */
  uint32_t pass_sums(typename V::Ints left_gradient, typename V::Ints h) const {
    const auto g = V::from_int(left_gradient);
    const auto x = V::add(V::from_int(h), lambda);
    const auto y = V::sub(total, x);
    const auto product = V::mul(threshold, V::mul(x, y));
    typename V::Floats value;
    if constexpr (kAlpha) {
      const auto left = V::mul(g, V::set(static_cast<float>(kScale)));
      const auto right = V::sub(gradient, left);
      const auto l = V::max(V::sub(V::abs(left), alpha), V::zero());
      const auto r = V::max(V::sub(V::abs(right), alpha), V::zero());
      value = V::fma(V::mul(l, l), y, V::fma(V::mul(r, r), x, slack));
    } else {
      const auto d = V::fms(g, scaled_total, V::mul(gradient, x));
      value = V::fma(d, d, slack);
    }
    return V::at_most_and_at_least(V::sub_int(h, least), range, value, product);
  }
};

/**
 * Where a search stands: the cells of a code, of whose vectors the second part lies `apart` cells from the first. Only a search
 * that climbs looks at them.
 */
struct Position {
  const int64_t* cells;
  size_t apart;
  int code;
  int codes;  // of the group
};

/** Codes of a step ahead of the search. */
constexpr int kClimb = 8;

/**
 * Decodes and offers the lanes of `mask`; out of the loops, since few candidates come here. With kClimbs goes on from a
 * new best candidate in steps of several codes for as long as scores rise: else each new best one would come here.
 */
template <class V, bool kClimbs>
__attribute__((noinline)) void offer_words(NodeSearch& search, uint32_t mask, int first_feature, const Position& at,
                                           bool missing_left, typename V::Words a, typename V::Words b,
                                           const int64_t* missing) {
  constexpr int kPart = V::kLanes / 2;
  alignas(64) int64_t word[V::kLanes];
  V::store(word, a);
  V::store(word + kPart, b);
  for (; mask != 0; mask &= mask - 1) {
    const int lane = V::lane_of(__builtin_ctz(mask));
    const auto offer = [&](int code) {
      return search.offer_numeric(first_feature + lane, code, missing_left, unpack(word[lane], Packing::kHalves),
                                  unpack(missing[lane], Packing::kHalves));
    };
    if (!offer(at.code) || !kClimbs) continue;
    const int64_t* cell = at.cells + lane % kPart + (lane < kPart ? 0 : at.apart);
    for (int code = at.code + kClimb; code < at.codes - 1; code += kClimb) {
      for (int i = 0; i < kClimb; ++i) word[lane] += *(cell += HistogramLayout::kHalf);
      if (!offer(code)) break;
    }
  }
}

/** Prefix sums of one node's lanes and the filter they go through. */
template <class V, bool kAlpha, bool kMissing, bool kClimbs>
struct NarrowSearch {
  NodeSearch& search;
  NarrowFilter<V, kAlpha> filter;
  typename V::Words a = V::zero_words(), b = V::zero_words();                  // without the missing rows
  typename V::Words missing_a = V::zero_words(), missing_b = V::zero_words();  // with them
  uint32_t active;
  int first_feature;
  const int64_t* missing;

  NarrowSearch(NodeSearch& node, uint32_t active_lanes, int first, const int64_t* missing_words)
      : search(node), filter(node), active(active_lanes), first_feature(first), missing(missing_words) {}

  void add(typename V::Words x, typename V::Words y, const Position& at) {
    a = V::add_words(a, x);
    b = V::add_words(b, y);
    if constexpr (kMissing) {
      missing_a = V::add_words(missing_a, x);
      missing_b = V::add_words(missing_b, y);
      test(at, true, missing_a, missing_b);
    }
    test(at, false, a, b);
  }

  /** The candidate in which only the missing rows go left. */
  void begin_missing(typename V::Words x, typename V::Words y, const Position& at) {
    missing_a = x;
    missing_b = y;
    test(at, true, x, y);
  }

 private:
  void test(const Position& at, bool missing_left, typename V::Words x, typename V::Words y) {
    const uint32_t mask = filter.pass(x, y) & active;
    if (__builtin_expect(mask != 0, 0)) {
      offer_words<V, kClimbs>(search, mask, first_feature, at, missing_left, x, y, missing);
      filter.aim(search);
    }
  }
};

template <class V, bool kAlpha, bool kMissing>
void search_lanes(const int64_t* cells, size_t apart, int codes, NodeSearch& node, uint32_t active, int first_feature) {
  alignas(64) int64_t missing[V::kLanes];
  V::store(missing, V::load(cells));
  V::store(missing + V::kLanes / 2, V::load(cells + apart));
  NarrowSearch<V, kAlpha, kMissing, true> search(node, active, first_feature, missing);
  if constexpr (kMissing) search.begin_missing(V::load(cells), V::load(cells + apart), {cells, apart, 0, codes});
  for (int code = 1; code < codes - 1; ++code) {
    cells += HistogramLayout::kHalf;
    search.add(V::load(cells), V::load(cells + apart), {cells, apart, code, codes});
  }
}

/** Calls visit(cells of the vector's first lane, distance of its parts, its first lane) for each vector of a group. */
template <class V, class Visit>
void for_vectors(const LaneGroup& group, const Visit& visit) {
  if constexpr (V::kLanes == HistogramLayout::kLanes) {
    visit(size_t{0}, group.half_cells, 0);
  } else {
    for (int half = 0; half < group.halves; ++half) {
      for (int lane = 0; lane < HistogramLayout::kHalf; lane += V::kLanes) {
        visit(static_cast<size_t>(half) * group.half_cells + static_cast<size_t>(lane), size_t{V::kLanes / 2},
              half * HistogramLayout::kHalf + lane);
      }
    }
  }
}

template <class V>
void search_vectors(const int64_t* words, const LaneGroup& group, NodeSearch& search) {
  const bool alpha = search.context().score.alpha > 0;
  for_vectors<V>(group, [&](size_t offset, size_t apart, int lane) {
    const int64_t* cells = words + offset;
    const uint32_t active = mask_order<V>(group.lanes, lane);
    if (active == 0) return;
    const bool missing = V::any(V::load(cells), V::load(cells + apart));
    const auto run = alpha ? (missing ? search_lanes<V, true, true> : search_lanes<V, true, false>)
                           : (missing ? search_lanes<V, false, true> : search_lanes<V, false, false>);
    run(cells, apart, group.codes, search, active, group.first_feature + lane);
  });
}

template <class V, bool kAlpha, bool kMissing, bool kChild, bool kKeep>
void search_lane_pair(const int64_t* child, int64_t* parent, size_t apart, int codes, NodeSearch* child_node,
                      NodeSearch& sibling_node, uint32_t active, int first_feature) {
  constexpr size_t kStep = HistogramLayout::kHalf;
  constexpr size_t kPart = V::kLanes / 2;
  alignas(64) int64_t missing[V::kLanes];
  alignas(64) int64_t own_missing[V::kLanes];
  const auto own_a = V::load(child);
  const auto own_b = V::load(child + apart);
  const auto missing_a = V::sub_words(V::load(parent), own_a);
  const auto missing_b = V::sub_words(V::load(parent + apart), own_b);
  V::store(missing, missing_a);
  V::store(missing + kPart, missing_b);
  V::store(own_missing, own_a);
  V::store(own_missing + kPart, own_b);
  NarrowSearch<V, kAlpha, kMissing, false> sibling(sibling_node, active, first_feature, missing);
  NarrowSearch<V, kAlpha, kMissing, false> own(kChild ? *child_node : sibling_node, active, first_feature, own_missing);
  if constexpr (kMissing) {
    sibling.begin_missing(missing_a, missing_b, {child, apart, 0, codes});
    if constexpr (kChild) own.begin_missing(own_a, own_b, {child, apart, 0, codes});
  }
  if constexpr (kKeep) {
    V::store(parent, missing_a);
    V::store(parent + apart, missing_b);
  }
  for (int code = 1; code < codes - 1; ++code) {
    child += kStep;
    parent += kStep;
    const auto a = V::load(child);
    const auto b = V::load(child + apart);
    const auto rest_a = V::sub_words(V::load(parent), a);
    const auto rest_b = V::sub_words(V::load(parent + apart), b);
    if constexpr (kKeep) {
      V::store(parent, rest_a);
      V::store(parent + apart, rest_b);
    }
    sibling.add(rest_a, rest_b, {child, apart, code, codes});
    if constexpr (kChild) own.add(a, b, {child, apart, code, codes});
  }
  if constexpr (kKeep) {
    if (codes > 1) {
      child += kStep;
      parent += kStep;
      V::store(parent, V::sub_words(V::load(parent), V::load(child)));
      V::store(parent + apart, V::sub_words(V::load(parent + apart), V::load(child + apart)));
    }
  }
}

template <class V, bool kAlpha, bool kMissing>
auto choose_lane_pair(bool search_child, bool keep) {
  if (search_child) {
    return keep ? search_lane_pair<V, kAlpha, kMissing, true, true> : search_lane_pair<V, kAlpha, kMissing, true, false>;
  }
  return keep ? search_lane_pair<V, kAlpha, kMissing, false, true> : search_lane_pair<V, kAlpha, kMissing, false, false>;
}

template <class V>
void search_pair_vectors(const int64_t* child, int64_t* parent, bool keep, const LaneGroup& group,
                         NodeSearch* child_search, NodeSearch& sibling_search) {
  const bool alpha = sibling_search.context().score.alpha > 0;
  const bool both = child_search != nullptr;
  for_vectors<V>(group, [&](size_t offset, size_t apart, int lane) {
    // The parent's missing rows are the two children's.
    int64_t* to = parent + offset;
    const bool missing = V::any(V::load(to), V::load(to + apart));
    const auto run = alpha ? (missing ? choose_lane_pair<V, true, true>(both, keep)
                                      : choose_lane_pair<V, true, false>(both, keep))
                           : (missing ? choose_lane_pair<V, false, true>(both, keep)
                                      : choose_lane_pair<V, false, false>(both, keep));
    run(child + offset, to, apart, group.codes, child_search, sibling_search, mask_order<V>(group.lanes, lane),
        group.first_feature + lane);
  });
}

/** The filter of one node in binary64, for sums that do not fit the halves of a word. */
template <class D, bool kAlpha>
struct WideFilter {
  typename D::Doubles lambda, total, gradient, alpha, threshold, slack, least;

  explicit WideFilter(const NodeSearch& search) {
    const GainFilter& f = search.filter();
    lambda = D::set(f.lambda);
    total = D::set(f.total);
    gradient = D::set(f.gradient);
    alpha = D::set(f.alpha);
    // Loose by more than the rounding of sums beyond 2^53; what passes is checked exactly.
    least = D::set((static_cast<double>(f.least_hessian) + f.lambda) * (1 - 0x1p-40));
    aim(search);
  }

  void aim(const NodeSearch& search) {
    threshold = D::set(search.filter().threshold);
    slack = D::set(search.filter().slack);
  }

  uint32_t pass(typename D::Doubles g, typename D::Doubles h) const {
    const auto x = D::add(h, lambda);
    const auto y = D::sub(total, x);
    const auto product = D::mul(threshold, D::mul(x, y));
    typename D::Doubles value;
    if constexpr (kAlpha) {
      const auto l = D::max(D::sub(D::abs(g), alpha), D::set(0));
      const auto r = D::max(D::sub(D::abs(D::sub(gradient, g)), alpha), D::set(0));
      value = D::fma(D::mul(l, l), y, D::fma(D::mul(r, r), x, slack));
    } else {
      const auto d = D::fms(g, total, D::mul(gradient, x));
      value = D::fma(d, d, slack);
    }
    return D::at_least(D::min(x, y), least) & D::at_least(value, product);
  }
};

/** How cells of one form become sums: two vectors, gradient and Hessian, the latter to be multiplied by kHessianScale. */
template <class D, Packing kPacking>
struct PackedCells {
  static constexpr size_t kWords = 1;
  static constexpr double kHessianScale = kPacking == Packing::kCounts ? 0x1p24 : 1;
  static constexpr int kShift = kPacking == Packing::kCounts ? kCountShift : 32;
  static void load(const int64_t* cells, typename D::Words& g, typename D::Words& h) {
    const auto words = D::load(cells);
    g = D::template shift_right<kShift>(words);
    h = D::and_words(words, (int64_t{1} << kShift) - 1);
  }
  static int lane_of(int bit) { return bit; }
};

template <class D, Packing kPacking>
struct WideCells {
  static constexpr size_t kWords = 2;
  static constexpr double kHessianScale = kPacking == Packing::kCounts ? 0x1p24 : 1;
  static void load(const int64_t* cells, typename D::Words& g, typename D::Words& h) {
    D::load_pairs(cells, g, h);
  }
  static int lane_of(int bit) { return D::pair_lane_of(bit); }
};

template <class D, class Cells, bool kAlpha>
void search_wide_lanes(const int64_t* cells, const LaneGroup& group, int first, NodeSearch& search) {
  constexpr size_t kStep = HistogramLayout::kHalf * Cells::kWords;
  WideFilter<D, kAlpha> filter(search);
  uint32_t active = 0;
  for (int bit = 0; bit < D::kLanes; ++bit) active |= (group.lanes >> (first + Cells::lane_of(bit)) & 1u) << bit;
  const auto scale = D::set(Cells::kHessianScale);
  typename D::Words missing_g, missing_h;
  Cells::load(cells, missing_g, missing_h);
  alignas(64) int64_t mg[D::kLanes], mh[D::kLanes];
  D::store(mg, missing_g);
  D::store(mh, missing_h);
  bool missing = false;
  for (int lane = 0; lane < D::kLanes; ++lane) missing = missing || mg[lane] != 0 || mh[lane] != 0;

  constexpr auto factor = static_cast<int64_t>(Cells::kHessianScale);
  const auto test = [&](int code, bool missing_left, typename D::Words g, typename D::Words h) {
    uint32_t mask = filter.pass(D::from_words(g), D::mul(D::from_words(h), scale)) & active;
    if (__builtin_expect(mask == 0, 1)) return;
    alignas(64) int64_t lg[D::kLanes], lh[D::kLanes];
    D::store(lg, g);
    D::store(lh, h);
    for (; mask != 0; mask &= mask - 1) {
      const int bit = __builtin_ctz(mask);
      search.offer_numeric(group.first_feature + first + Cells::lane_of(bit), code, missing_left,
                           {lg[bit], lh[bit] * factor}, {mg[bit], mh[bit] * factor});
    }
    filter.aim(search);
  };

  typename D::Words g = D::zero_words(), h = D::zero_words();
  typename D::Words with_g = missing_g, with_h = missing_h;
  if (missing) test(0, true, with_g, with_h);
  for (int code = 1; code < group.codes - 1; ++code) {
    cells += kStep;
    typename D::Words cell_g, cell_h;
    Cells::load(cells, cell_g, cell_h);
    if (missing) {
      with_g = D::add_words(with_g, cell_g);
      with_h = D::add_words(with_h, cell_h);
      test(code, true, with_g, with_h);
    }
    g = D::add_words(g, cell_g);
    h = D::add_words(h, cell_h);
    test(code, false, g, h);
  }
}

template <class D, class Cells>
void search_wide_group(const int64_t* words, const LaneGroup& group, NodeSearch& search) {
  const bool alpha = search.context().score.alpha > 0;
  for (int half = 0; half < group.halves; ++half) {
    for (int lane = 0; lane < HistogramLayout::kHalf; lane += D::kLanes) {
      const int first = half * HistogramLayout::kHalf + lane;
      if ((group.lanes >> first & ((1u << D::kLanes) - 1)) == 0) continue;
      const int64_t* cells =
          words + (static_cast<size_t>(half) * group.half_cells + static_cast<size_t>(lane)) * Cells::kWords;
      if (alpha) {
        search_wide_lanes<D, Cells, true>(cells, group, first, search);
      } else {
        search_wide_lanes<D, Cells, false>(cells, group, first, search);
      }
    }
  }
}

/** Kernels::search. Half is a traits type of 8 lanes or fewer, for groups of one half. */
template <class V, class Half, class D>
void search_group(const int64_t* words, bool wide, const LaneGroup& group, NodeSearch& search) {
  const Packing packing = search.context().packing;
  if (wide) {
    if (packing == Packing::kCounts) {
      search_wide_group<D, WideCells<D, Packing::kCounts>>(words, group, search);
    } else {
      search_wide_group<D, WideCells<D, Packing::kHalves>>(words, group, search);
    }
  } else if (packing == Packing::kCounts) {
    search_wide_group<D, PackedCells<D, Packing::kCounts>>(words, group, search);
  } else if (group.halves == 2) {
    search_vectors<V>(words, group, search);
  } else {
    search_vectors<Half>(words, group, search);
  }
}

/** Kernels::search_pair. */
template <class V, class Half>
void search_group_pair(const int64_t* child, int64_t* parent, bool keep, const LaneGroup& group, NodeSearch* child_search,
                       NodeSearch& sibling_search) {
  if (group.halves == 2) {
    search_pair_vectors<V>(child, parent, keep, group, child_search, sibling_search);
  } else {
    search_pair_vectors<Half>(child, parent, keep, group, child_search, sibling_search);
  }
}
