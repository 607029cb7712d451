// Cuts and codes against the plain form of docs/numerics.md section 1, on columns of every kind that the fast form treats apart.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "core/int128.h"
#include "cpu/binning.h"
#include "tests/check.h"
#include "tests/random.h"

namespace {

using namespace lockstep;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLargest = std::numeric_limits<float>::max();

/** Rules 1 to 4 on sorted values, word for word. */
std::vector<float> plain_cuts(const std::vector<float>& values, const RowSet& training,
                              const std::vector<uint32_t>& weight, int max_bin) {
  std::map<float, uint64_t> weight_of;
  for (size_t i = 0; i < training.size(); ++i) {
    const float x = values[training[i]];
    if (!std::isnan(x)) weight_of[std::clamp(x, -kLargest, kLargest) + 0.0f] += weight.empty() ? 1 : weight[i];
  }
  const std::vector<std::pair<float, uint64_t>> distinct(weight_of.begin(), weight_of.end());
  const size_t bins = static_cast<size_t>(std::min(max_bin, 255));
  std::vector<float> cuts;
  uint128_t rest = 0;
  for (const auto& [value, q] : distinct) rest += q;
  uint128_t current = 0;
  uint128_t open = bins;
  for (size_t j = 0; j < distinct.size(); ++j) {
    const uint64_t q = distinct[j].second;
    const bool begins =
        distinct.size() <= bins ? j > 0 : current > 0 && open > 1 && (2 * current + q) * open > 2 * rest;
    if (begins) {
      const float lower = distinct[j - 1].first;
      const float upper = distinct[j].first;
      const auto middle = static_cast<float>(double{lower} / 2 + double{upper} / 2);
      cuts.push_back(middle <= lower ? upper : middle);
      rest -= current;
      current = 0;
      --open;
    }
    current += q;
  }
  return cuts;
}

using Draw = std::function<float(Random&)>;

std::vector<std::pair<const char*, Draw>> kinds_of_columns() {
  const Draw normal = [](Random& r) { return r.unit() + r.unit() + r.unit() + r.unit() - 2; };
  return {
      {"normal", normal},
      {"skewed", [normal](Random& r) { return std::exp(4 * normal(r)); }},
      {"any bits", [](Random& r) { return std::bit_cast<float>(r.word()); }},
      {"subnormal", [](Random& r) { return std::bit_cast<float>((r.word() & 0x80000fffu)); }},
      {"narrow", [](Random& r) { return 1000 + static_cast<float>(r.below(2000)) * 0x1p-14f; }},
      {"narrow with outliers",
       [](Random& r) { return r.below(500) == 0 ? std::bit_cast<float>(r.word()) : 1 + r.unit() * 0x1p-8f; }},
      {"whole numbers", [](Random& r) { return static_cast<float>(r.below(700)); }},
      {"many whole numbers", [](Random& r) { return static_cast<float>(r.below(50000)) - 25000; }},
      {"mostly zero", [normal](Random& r) { return r.below(10) < 7 ? (r.below(2) ? 0.0f : -0.0f) : normal(r); }},
      {"spikes", [normal](Random& r) { return r.below(3) == 0 ? static_cast<float>(r.below(90)) / 45 - 1 : normal(r); }},
      {"missing and infinite",
       [normal](Random& r) {
         const uint32_t pick = r.below(6);
         return pick == 0 ? kNaN : pick == 1 ? kInfinity : pick == 2 ? -kInfinity : normal(r);
       }},
      {"all missing", [](Random&) { return kNaN; }},
      {"constant", [](Random&) { return -7.5f; }},
      {"two values", [](Random& r) { return r.below(5) == 0 ? 1.0f : 0.0f; }},
      {"as many values as bins", [](Random& r) { return static_cast<float>(r.below(255)); }},
      {"one value more than bins", [](Random& r) { return static_cast<float>(r.below(256)); }},
      {"as many values as are tallied", [](Random& r) { return static_cast<float>(r.below(512)); }},
      {"one value more than are tallied", [](Random& r) { return static_cast<float>(r.below(513)); }},
  };
}

void cuts_are_those_of_the_plain_rule_for_every_kind_of_column() {
  uint64_t seed = 0;
  for (const auto& [name, draw] : kinds_of_columns()) {
    for (const size_t rows : {1, 2, 700, 5000, 80000}) {
      Random random(++seed);
      std::vector<float> values(rows);
      for (float& x : values) x = draw(random);
      std::vector<uint32_t> drawn;
      for (uint32_t row = 0; row < rows; ++row) {
        if (random.below(3) > 0) drawn.push_back(row);
      }
      const RowSet listed{0, 0, std::make_shared<const std::vector<uint32_t>>(std::move(drawn))};
      for (const RowSet& training : {RowSet{0, rows, nullptr}, RowSet{rows / 3, rows, nullptr}, listed}) {
        for (const int weighted : {0, 1, 2}) {
          std::vector<uint32_t> weight(weighted == 0 ? 0 : training.size());
          for (uint32_t& w : weight) w = random.below(weighted == 1 ? 1u << 24 : 3);
          const int max_bin = seed % 3 == 0 ? 2 + static_cast<int>(random.below(255)) : 256;
          const std::vector<float> cuts =
              find_cuts(values.data(), training, weighted == 0 ? nullptr : weight.data(), max_bin);
          if (cuts != plain_cuts(values, training, weight, max_bin)) {
            std::fprintf(stderr, "column %s, %zu rows, weights %d, max_bin %d\n", name, rows, weighted, max_bin);
            CHECK(false);
          }
        }
      }
    }
  }
}

/** 1 + #{cuts ≤ x}, or 0. */
uint8_t plain_code(float x, const std::vector<float>& cuts) {
  if (std::isnan(x)) return 0;
  const auto below = std::count_if(cuts.begin(), cuts.end(), [&](float cut) { return cut <= x; });
  return static_cast<uint8_t>(1 + below);
}

/** Cuts of many spacings, and values on and beside them. */
FeatureBins make_cuts(Random& random, size_t f) {
  FeatureBins feature;
  const size_t count = f % 5 == 0 ? random.below(4) : random.below(255);
  for (size_t i = 0; i < count; ++i) {
    const auto spread = std::bit_cast<float>(random.word());
    const float narrow = 3 + random.unit() * 0x1p-10f;
    const float cut = f % 3 == 0 ? narrow : f % 3 == 1 ? random.unit() - 0.5f : random.below(8) > 0 ? narrow : spread;
    if (std::isfinite(cut) && cut > -kLargest) feature.cuts.push_back(cut + 0.0f);
  }
  std::sort(feature.cuts.begin(), feature.cuts.end());
  feature.cuts.erase(std::unique(feature.cuts.begin(), feature.cuts.end()), feature.cuts.end());
  feature.bins = static_cast<int>(feature.cuts.size()) + 1;
  return feature;
}

float value_beside(const std::vector<float>& cuts, Random& random) {
  const float unusual[] = {kNaN, kInfinity, -kInfinity, 0.0f, -0.0f, kLargest, -kLargest, 1e-45f, -1e-45f};
  if (cuts.empty() || random.below(4) == 0) return unusual[random.below(9)];
  const float cut = cuts[random.below(static_cast<uint32_t>(cuts.size()))];
  const uint32_t side = random.below(4);
  return side == 0 ? std::nextafter(cut, -kInfinity) : side == 1 ? std::nextafter(cut, kInfinity)
         : side == 2 ? std::bit_cast<float>(random.word()) : cut;
}

void codes_count_the_cuts_at_or_below_a_value_in_tables_of_any_shape() {
  Random random(99);
  ThreadPool pool(2);
  for (const size_t rows : {1, 7, 64, 4096, 9001}) {
    for (const auto& [columns, stride] : std::vector<std::pair<size_t, size_t>>{
             {1, 4}, {3, 3}, {8, 8}, {28, 32}, {61, 64}, {64, 64}, {65, 80}, {131, 144}}) {
      std::vector<FeatureBins> features;
      std::vector<std::vector<float>> values(columns);
      std::vector<std::vector<int32_t>> categories(columns);
      std::vector<RawColumn> raw(columns);
      for (size_t f = 0; f < columns; ++f) {
        if (f % 7 == 6) {
          FeatureBins feature;
          feature.bin_of_category = {1, 2, 255, 3};
          features.push_back(feature);
          for (size_t row = 0; row < rows; ++row) categories[f].push_back(static_cast<int32_t>(random.below(5)) - 1);
          raw[f] = {nullptr, categories[f].data(), 4};
        } else {
          features.push_back(make_cuts(random, f));
          for (size_t row = 0; row < rows; ++row) values[f].push_back(value_beside(features[f].cuts, random));
          raw[f] = {values[f].data(), nullptr, 0};
        }
      }
      std::vector<uint8_t> bins(rows * stride + 1, 77);
      encode_rows(raw, rows, features, bins.data(), stride, Executor(&pool));
      CHECK(bins.back() == 77);
      for (size_t row = 0; row < rows; ++row) {
        for (size_t f = 0; f < stride; ++f) {
          const uint8_t code = bins[row * stride + f];
          if (f >= columns) {
            CHECK(code == 0);
          } else if (raw[f].codes != nullptr) {
            const int32_t category = categories[f][row];
            CHECK(code == (category < 0 ? 0 : features[f].bin_of_category[static_cast<size_t>(category)]));
          } else {
            CHECK(code == plain_code(values[f][row], features[f].cuts));
          }
        }
      }
    }
  }
}

void a_raised_flag_ends_both_steps() {
  const std::vector<float> values(5000, 1.0f);
  const std::vector<RawColumn> columns{{values.data(), nullptr, 0}};
  const RowSet all{0, values.size(), nullptr};
  std::vector<uint8_t> bins(values.size() * 4);
  int32_t flag = 1;
  const auto cancelled = [&](const auto& step) {
    try {
      step();
      return false;
    } catch (const Cancelled&) {
      return true;
    }
  };
  CHECK(cancelled([&] { find_bins(columns, all, nullptr, 256, Executor(), CancelFlag(&flag)); }));
  CHECK(cancelled([&] {
    encode_rows(columns, values.size(), std::vector<FeatureBins>(1), bins.data(), 4, Executor(), CancelFlag(&flag));
  }));
}

}  // namespace

void test_binning() {
  cuts_are_those_of_the_plain_rule_for_every_kind_of_column();
  codes_count_the_cuts_at_or_below_a_value_in_tables_of_any_shape();
  a_raised_flag_ends_both_steps();
}
