// Ranks of values, as plain loops: included once for each instruction set, into which the compiler turns them.

/** ranks[i] = #{cuts ≤ values[i]}, 0 for NaN; both (kBlockRows). */
inline void rank_block(const RankTable& table, const float* values, uint32_t* ranks) {
  alignas(kCacheLine) int32_t buckets[kBlockRows];
  for (size_t i = 0; i < kBlockRows; ++i) buckets[i] = static_cast<int32_t>(table.bucket(values[i]));
  const float* const cuts = table.cuts.data();
  const uint32_t* const before = table.before.data();
  if (table.first_step == 1) {
    for (size_t i = 0; i < kBlockRows; ++i) {
      const uint32_t rank = before[buckets[i]];
      ranks[i] = rank + (values[i] >= cuts[rank] ? 1u : 0u);
    }
    return;
  }
  for (size_t i = 0; i < kBlockRows; ++i) ranks[i] = table.rank(values[i]);
}

/** The bytes of a plane; all (kBlockRows). */
inline void rank_plane(const float* values, const uint32_t* ranks, uint32_t base, uint8_t missing, uint8_t* plane) {
  alignas(kCacheLine) uint8_t bytes[kBlockRows];
  for (size_t i = 0; i < kBlockRows; ++i) bytes[i] = plane_byte(values[i], ranks[i], base, missing);
  std::memcpy(plane, bytes, kBlockRows);
}
