// Split search of a node with few rows, without a histogram: included once for each instruction set, after
// kernels_search.h. The rows are sorted by their codes, each feature in a lane of its own, and passed over in order: with n
// rows that is n steps a feature, where a histogram has one a code. Traits S give kLanes 16-bit lanes, `Keys`, and V is the
// traits type of kernels_search.h.

struct Comparator {
  int low;
  int high;
};

/** Keys that are sorted in registers. */
inline constexpr int kSortedRows = 32;

/** Batcher's odd-even merge sort of kCount elements; K. Batcher, Sorting networks and their applications, 1968. */
template <int kCount>
constexpr auto sorting_network() {
  constexpr auto visit_all = [](auto visit) {
    for (int p = 1; p < kCount; p *= 2) {
      for (int k = p; k >= 1; k /= 2) {
        for (int j = k % p; j + k < kCount; j += 2 * k) {
          for (int i = 0; i < k && i + j + k < kCount; ++i) {
            if ((i + j) / (2 * p) == (i + j + k) / (2 * p)) visit(Comparator{i + j, i + j + k});
          }
        }
      }
    }
  };
  constexpr size_t count = [&] {
    size_t comparators = 0;
    visit_all([&](Comparator) { ++comparators; });
    return comparators;
  }();
  std::array<Comparator, count> network{};
  size_t next = 0;
  visit_all([&](Comparator c) { network[next++] = c; });
  return network;
}

template <class S, int kCount>
void sort_keys(typename S::Keys* keys) {
  static constexpr auto kNetwork = sorting_network<kCount>();
  typename S::Keys key[kCount];
  for (int i = 0; i < kCount; ++i) key[i] = keys[i];
  [&]<size_t... kAt>(std::index_sequence<kAt...>) {
    ((S::order(key[kNetwork[kAt].low], key[kNetwork[kAt].high])), ...);
  }(std::make_index_sequence<kNetwork.size()>());
  for (int i = 0; i < kCount; ++i) keys[i] = key[i];
}

/** Sorts kCount keys of which first those of one half, then those of the other ascend or descend. */
template <class S, int kCount>
void sort_bitonic(typename S::Keys* keys) {
  if constexpr (kCount > kSortedRows) {
    for (int i = 0; i < kCount / 2; ++i) S::order(keys[i], keys[i + kCount / 2]);
    sort_bitonic<S, kCount / 2>(keys);
    sort_bitonic<S, kCount / 2>(keys + kCount / 2);
  } else {
    typename S::Keys key[kCount];
    for (int i = 0; i < kCount; ++i) key[i] = keys[i];
#pragma GCC unroll 8
    for (int apart = kCount / 2; apart > 0; apart /= 2) {
#pragma GCC unroll 64
      for (int i = 0; i < kCount; ++i) {
        if ((i & apart) == 0) S::order(key[i], key[i + apart]);
      }
    }
    for (int i = 0; i < kCount; ++i) keys[i] = key[i];
  }
}

/** Merges two sorted halves of kCount keys together. */
template <class S, int kCount>
void merge_keys(typename S::Keys* keys) {
  for (int i = 0; i < kCount / 2; ++i) S::order(keys[i], keys[kCount - 1 - i]);
  sort_bitonic<S, kCount / 2>(keys);
  sort_bitonic<S, kCount / 2>(keys + kCount / 2);
}

/** Sorts `count` keys a lane, up to kCount; further ones are written over. */
template <class S, int kCount>
void sort_rows(typename S::Keys* keys, size_t count) {
  if constexpr (kCount > 8) {
    if (count <= kCount / 2) {
      sort_rows<S, kCount / 2>(keys, count);
      if constexpr (kCount <= kSortedRows) return;
    }
  }
  if constexpr (kCount <= kSortedRows) {
    for (size_t i = count; i < kCount; ++i) keys[i] = S::last();
    sort_keys<S, kCount>(keys);
  } else if (count > kCount / 2) {
    constexpr size_t kHalf = kCount / 2;
    sort_rows<S, kHalf>(keys, kHalf);
    sort_rows<S, kHalf>(keys + kHalf, count - kHalf);
    for (size_t i = std::bit_ceil(std::max<size_t>(count - kHalf, 8)); i < kHalf; ++i) keys[kHalf + i] = S::last();
    merge_keys<S, kCount>(keys);
  }
}

/** One rank after the other of V's lanes: the sums of the rows up to it, and the filter. */
template <class S, class V, int kTables, bool kAlpha, bool kMissing>
void search_sorted(const SmallNode& node, const typename S::Table& table, const typename S::Keys* keys,
                   const uint32_t* ends, int lane, int first_feature, NodeSearch& search) {
  NarrowFilter<V, kAlpha> filter(search);
  const auto none = V::set_int(0);
  auto g = none;
  auto h = none;
  auto missing_g = none;
  auto missing_h = none;
  const auto keys_of = [&](size_t rank) { return S::lanes(keys + rank, lane); };
  if constexpr (kMissing) {
    for (size_t rank = 0; rank < node.count; ++rank) {
      const auto key = keys_of(rank);
      if (!S::template add_missing<kTables>(table, key, missing_g, missing_h)) break;
    }
  }
  const auto test = [&](size_t rank, uint32_t mask, bool missing_left, auto left_g, auto left_h) {
    mask &= filter.pass_sums(left_g, left_h);
    if (__builtin_expect(mask == 0, 1)) return;
    alignas(64) int32_t key[V::kLanes], lg[V::kLanes], lh[V::kLanes], mg[V::kLanes], mh[V::kLanes];
    V::store_ints(key, keys_of(rank));
    V::store_ints(lg, left_g);
    V::store_ints(lh, left_h);
    V::store_ints(mg, missing_g);
    V::store_ints(mh, missing_h);
    for (; mask != 0; mask &= mask - 1) {
      const int i = __builtin_ctz(mask);
      search.offer_numeric(first_feature + lane + i, key[i] >> 8, missing_left, {lg[i], lh[i]}, {mg[i], mh[i]});
    }
    filter.aim(search);
  };
  for (size_t rank = 0; rank + 1 < node.count; ++rank) {
    S::template add<kTables>(table, keys_of(rank), g, h);
    const uint32_t mask = ends[rank] >> lane & ((uint32_t{1} << V::kLanes) - 1);
    if (mask == 0) continue;
    if constexpr (kMissing) {
      test(rank, mask, true, g, h);
      test(rank, mask, false, V::sub_int(g, missing_g), V::sub_int(h, missing_h));
    } else {
      test(rank, mask, false, g, h);
    }
  }
}

template <class S, class V, int kTables>
auto choose_sorted(bool alpha, bool missing) {
  if (alpha) return missing ? search_sorted<S, V, kTables, true, true> : search_sorted<S, V, kTables, true, false>;
  return missing ? search_sorted<S, V, kTables, false, true> : search_sorted<S, V, kTables, false, false>;
}

/** Kernels::search_small. */
template <class S, class V>
void search_small(const SmallNode& node, NodeSearch& search) {
  const bool alpha = search.context().score.alpha > 0;
  const typename S::Table table(node);
  for (const SmallNode::Block& block : node.blocks) {
    for (int first = 0; first < SmallNode::kBlock; first += S::kLanes) {
      const auto lanes = static_cast<uint32_t>(uint64_t{block.lanes} >> first & ((uint64_t{1} << S::kLanes) - 1));
      if (lanes == 0) continue;
      typename S::Keys keys[kSmallRows];
      S::load(node, block.first_feature + first, keys);
      sort_rows<S, kSmallRows>(keys, node.count);
      uint32_t ends[kSmallRows];
      for (size_t rank = 0; rank + 1 < node.count; ++rank) ends[rank] = S::differ(keys[rank], keys[rank + 1]) & lanes;
      const bool missing = (S::missing(keys[0]) & lanes) != 0;
      static_assert(kSmallRows == 64);
      const auto run =
          node.count <= 32 ? choose_sorted<S, V, 1>(alpha, missing) : choose_sorted<S, V, 2>(alpha, missing);
      for (int lane = 0; lane < S::kLanes; lane += V::kLanes) {
        if ((lanes >> lane & ((uint32_t{1} << V::kLanes) - 1)) == 0) continue;
        run(node, table, keys, ends, lane, block.first_feature + first, search);
      }
    }
  }
}
