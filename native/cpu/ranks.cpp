#include "cpu/ranks.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace lockstep {

RankTable::RankTable(std::vector<float> sorted) : cuts(std::move(sorted)) {
  const size_t count = cuts.size();
  low = std::isinf(cuts[0]) && count > 1 ? cuts[1] : cuts[0];
  const float range = cuts.back() - low;
  // As many buckets as give each a single cut, up to what skewed cuts are worth.
  constexpr size_t kMostBuckets = size_t{1} << 16;
  const size_t most = std::min(std::bit_ceil(32 * count), kMostBuckets);
  for (size_t buckets = std::min(std::bit_ceil(2 * count), kMostBuckets); first_step != 1 && buckets <= most; buckets *= 2) {
    last_bucket = static_cast<float>(buckets - 1);
    scale = std::isinf(low) ? 0 : last_bucket / range;
    std::vector<uint32_t> own(buckets, 0);
    for (const float cut : cuts) ++own[static_cast<size_t>(bucket(cut))];
    before.assign(buckets, 0);
    std::partial_sum(own.begin(), own.end() - 1, before.begin() + 1);
    first_step = std::bit_ceil(*std::max_element(own.begin(), own.end()) + 1) / 2;
  }
  cuts.resize(count + 2 * first_step, std::numeric_limits<float>::quiet_NaN());
}

}  // namespace lockstep
