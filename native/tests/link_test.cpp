// The integer link against long double, over its whole range, and its hash, which tests/numerics/link.test.ts shares.
#include "core/link.h"

#include <bit>
#include <cmath>
#include <cstdint>

#include "tests/check.h"

using namespace lockstep;

namespace {

/** FNV-1a, 32 bits, over the bytes of words, low byte first. */
class Fnv1a {
 public:
  void add(int32_t word) {
    for (int shift = 0; shift < 32; shift += 8) {
      hash_ = (hash_ ^ (static_cast<uint32_t>(word) >> shift & 255u)) * 16777619u;
    }
  }
  uint32_t value() const { return hash_; }

 private:
  uint32_t hash_ = 2166136261u;
};

uint32_t link_hash(int32_t stride) {
  constexpr int32_t kEnd = (1 << 24) + 4096;
  Fnv1a hash;
  for (int32_t m = -kEnd; m <= kEnd; m += stride) {
    int32_t p = 0;
    int32_t h = 0;
    logistic_gradient(m, p, h);
    hash.add(p);
    hash.add(h);
    hash.add(softplus_neg_abs_q30(m));
  }
  return hash.value();
}

long double distance(int32_t q30, long double exact) {
  return std::fabs(static_cast<long double>(q30) - exact * kOneQ30);
}

void test_errors() {
  constexpr int32_t kStride = 5;
  long double worst_p = 0;
  long double worst_h = 0;
  long double worst_softplus = 0;
  for (int32_t t = 0; t < 1 << 25; t += kStride) {
    const long double e = std::exp(-static_cast<long double>(t) / 1048576);
    worst_softplus = std::fmax(worst_softplus, distance(softplus_neg_abs_q30(t), std::log1p(e)));
    if (t >= 1 << 24) continue;
    int32_t p = 0;
    int32_t h = 0;
    logistic_gradient(-t, p, h);
    CHECK(p >= 122 && p <= kOneQ30 / 2);
    CHECK(h >= 121 && h <= kOneQ30 / 4);
    worst_p = std::fmax(worst_p, distance(p, e / (1 + e)));
    worst_h = std::fmax(worst_h, distance(h, e / (1 + e) / (1 + e)));
  }
  CHECK(worst_p < 13.7L);
  CHECK(worst_h < 11.3L);
  CHECK(worst_softplus < 22.7L);
}

void test_symmetry() {
  CHECK(sigmoid_q30(0) == kOneQ30 / 2);
  CHECK(sigmoid_q30(INT32_MIN) == sigmoid_q30(-kLogitLimit));
  CHECK(softplus_neg_abs_q30(INT32_MIN) == 0 && softplus_neg_abs_q30(1 << 25) == 0);
  for (int32_t m = 1; m < kLogitLimit; m += 997) CHECK(sigmoid_q30(m) + sigmoid_q30(-m) == kOneQ30);
}

void test_logit() {
  CHECK(logit_margin(0.5) == 0);
  CHECK(logit_margin(0) == -kLogitLimit && logit_margin(1) == kLogitLimit);
  for (int i = 1; i < 4096; ++i) {
    const double prob = i / 4096.0;
    const int32_t m = logit_margin(prob);
    CHECK(m == -logit_margin(1 - prob));
    CHECK(std::fabs(m * 0x1p-20 - std::log(prob / (1 - prob))) < 1e-4);
  }
}

void test_probability() {
  CHECK(probability(0) == 0.5);
  constexpr struct {
    int32_t margin;
    uint64_t bits;
  } kExpected[] = {{-770000000, 0x6021},           {-742391808, 0x17c8ab2288c9ac}, {-33554433, 0x3d0c84632f1b22ce},
                   {-1048577, 0x3fd136554b0019f2}, {5, 0x3fe0000280000000},        {1048577, 0x3fe764d55a7ff308}};
  for (const auto& [margin, bits] : kExpected) CHECK(std::bit_cast<uint64_t>(probability(margin)) == bits);
  CHECK(probability(INT32_MIN) == 0 && probability(INT32_MAX) == 1);
  double previous = -1;
  for (int64_t m = INT32_MIN; m <= INT32_MAX; m += 3571) {
    const double p = probability(static_cast<int32_t>(m));
    CHECK(p >= previous);
    previous = p;
    const long double x = static_cast<long double>(m) / 1048576;
    if (x < -700) continue;
    const long double exact = x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
    CHECK(std::fabs(p - exact) <= exact * 0x1p-50L);
  }
}

}  // namespace

void test_link() {
  CHECK(link_hash(1) == 1562919288u);
  CHECK(link_hash(4099) == 2902267930u);
  test_errors();
  test_symmetry();
  test_logit();
  test_probability();
}
