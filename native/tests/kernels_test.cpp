// Every instruction set that this machine runs against the scalar kernels, by equality.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "core/link.h"
#include "core/sampling.h"
#include "cpu/batch.h"
#include "cpu/kernels.h"
#include "tests/check.h"
#include "tests/random.h"
#include "tests/same_trees.h"

namespace {

using namespace lockstep;

void gradients_are_the_scalar_ones(const Kernels& kernels) {
  Random random(1);
  constexpr size_t kRows = 64 * 40 + 23;
  std::vector<int32_t> margin(kRows);
  std::vector<uint8_t> label(kRows);
  std::vector<uint32_t> weight(kRows);
  for (size_t row = 0; row < kRows; ++row) {
    margin[row] = static_cast<int32_t>(random.word()) >> random.below(31);
    label[row] = static_cast<uint8_t>(random.below(2));
    weight[row] = random.below((1u << 24) + 1);
  }
  for (const uint32_t* weights : {static_cast<const uint32_t*>(nullptr), static_cast<const uint32_t*>(weight.data())}) {
    std::vector<int64_t> expected(kRows);
    std::vector<int64_t> actual(kRows);
    LogisticRows rows{margin.data(), label.data(), weights, {random.word(), random.word()}, 7, expected.data()};
    kernels_named("scalar").logistic_gradients(rows, 64, kRows);
    rows.gradient = actual.data();
    kernels.logistic_gradients(rows, 64, kRows);
    CHECK(actual == expected);
  }
}

void losses_are_those_of_the_rows(const Kernels& kernels) {
  Random random(4);
  constexpr size_t kRows = size_t{1} << 16;
  std::vector<int32_t> margin(kRows);
  std::vector<uint8_t> label(kRows);
  for (size_t row = 0; row < kRows; ++row) {
    margin[row] = static_cast<int32_t>(random.word()) >> random.below(31);
    label[row] = static_cast<uint8_t>(random.below(2));
  }
  const int32_t edges[] = {0, 1, 16383, 16384, (1 << 25) - 1, 1 << 25, INT32_MAX};
  for (size_t i = 0; i < 4 * std::size(edges); ++i) {
    margin[i] = i % 2 == 0 ? edges[i / 4] : -edges[i / 4];
    label[i] = i / 2 % 2;
  }
  margin[60] = margin[61] = INT32_MIN;
  label[60] = 0;
  label[61] = 1;
  for (const size_t count : {size_t{0}, size_t{1}, size_t{15}, size_t{62}, size_t{1000}, kRows}) {
    uint64_t expected = 0;
    for (size_t row = 0; row < count; ++row) {
      expected += static_cast<uint64_t>(logistic_loss_q30(margin[row], label[row] != 0));
    }
    CHECK(kernels.logistic_losses(margin.data(), label.data(), count) == expected);
  }
  // The greatest sums of half words.
  std::fill(margin.begin(), margin.end(), INT32_MAX);
  std::fill(label.begin(), label.end(), uint8_t{0});
  CHECK(kernels.logistic_losses(margin.data(), label.data(), kRows) == (uint64_t{kRows} * INT32_MAX) << 10);
}

void samples_are_the_scalar_ones(const Kernels& kernels) {
  Random random(2);
  for (const uint64_t threshold : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 31, (uint64_t{1} << 32) - 1, uint64_t{1} << 32}) {
    const RowDraw draw{{random.word(), random.word()}, random.word(), Purpose::kSubsample, random.below(255)};
    std::vector<uint64_t> expected(20);
    std::vector<uint64_t> actual(20);
    kernels_named("scalar").sample_rows(draw, threshold, 3, 20, expected.data());
    kernels.sample_rows(draw, threshold, 3, 20, actual.data());
    CHECK(actual == expected);
  }
}

void partitions_are_the_scalar_ones(const Kernels& kernels) {
  Random random(3);
  constexpr size_t kStride = 5;
  constexpr size_t kSpare = 15;  // as Kernels::partition allows
  std::vector<uint8_t> codes(4096 * kStride);
  for (uint8_t& code : codes) code = static_cast<uint8_t>(random.word());
  std::vector<uint8_t> table(kMaxCodes);
  for (uint8_t& left : table) left = static_cast<uint8_t>(random.below(2));
  for (size_t count : {0, 1, 7, 15, 16, 17, 100, 1000}) {
    std::vector<uint32_t> rows(count);
    for (uint32_t& row : rows) row = random.below(4096);
    for (const bool listed : {false, true}) {
      const ColumnTest test{codes.data() + 2, kStride, static_cast<uint8_t>(random.word()),
                            static_cast<uint8_t>(random.word()), listed ? table.data() : nullptr};
      std::vector<uint32_t> left(count + kSpare);
      std::vector<uint32_t> right(count, ~0u);
      const size_t lefts = kernels_named("scalar").partition(test, rows.data(), count, left.data(), right.data());
      std::vector<uint32_t> own_right(count);
      std::vector<uint32_t> own = rows;
      own.resize(count + kSpare);
      CHECK(kernels.partition(test, own.data(), count, own.data(), own_right.data()) == lefts);
      CHECK(std::equal(left.begin(), left.begin() + static_cast<int64_t>(lefts), own.begin()));
      CHECK(std::equal(right.begin(), right.begin() + static_cast<int64_t>(count - lefts), own_right.begin()));
    }
  }
}

void first_words_are_those_of_their_blocks(const Kernels& kernels) {
  Random random(7);
  constexpr size_t kSpare = 15;  // as Kernels::first_words allows
  const RowDraw draw{{random.word(), random.word()}, random.word(), Purpose::kColsampleByTree, random.below(255)};
  for (const size_t count : {0, 1, 15, 16, 17, 300}) {
    for (const Kernels* form : {&kernels, &kernels_named("scalar")}) {
      std::vector<uint32_t> words(count + kSpare);
      form->first_words(draw, count, words.data());
      for (size_t i = 0; i < count; ++i) {
        CHECK(words[i] == tree_feature_key(draw.key, static_cast<uint32_t>(i), draw.round, draw.class_index));
      }
    }
  }
}

void selections_are_the_scalar_ones(const Kernels& kernels) {
  Random random(5);
  constexpr size_t kSpare = 16;  // as Kernels::select_rows allows
  constexpr size_t kBlocks = 20;
  const auto words = [&](uint32_t kind) {  // none, all, or half of the bits
    std::vector<uint64_t> masks(kBlocks);
    for (uint64_t& mask : masks) mask = kind < 2 ? uint64_t{0} - kind : uint64_t{random.word()} << 32 | random.word();
    return masks;
  };
  for (const uint32_t members_kind : {0u, 1u, 2u}) {
    for (const uint32_t drawn_kind : {0u, 1u, 2u}) {
      const std::vector<uint64_t> members = words(members_kind);
      const std::vector<uint64_t> drawn = words(drawn_kind);
      std::vector<uint32_t> in;
      std::vector<uint32_t> out;
      for (uint32_t row = 3 * 64; row < kBlocks * 64; ++row) {
        if ((members[row / 64] >> (row % 64) & 1u) != 0) (drawn[row / 64] >> (row % 64) & 1u ? in : out).push_back(row);
      }
      for (const Kernels* form : {&kernels, &kernels_named("scalar")}) {
        std::vector<uint32_t> own_in(in.size() + kSpare);
        std::vector<uint32_t> own_out(out.size() + kSpare);
        CHECK(form->select_rows(members.data(), drawn.data(), 3, kBlocks, own_in.data(), own_out.data()) == in.size());
        CHECK(std::equal(in.begin(), in.end(), own_in.begin()));
        CHECK(std::equal(out.begin(), out.end(), own_out.begin()));
      }
    }
  }
}

void leaves_are_added_one_by_one(const Kernels& kernels) {
  Random random(6);
  std::vector<int32_t> values(256);
  for (int32_t& value : values) value = static_cast<int32_t>(random.word()) >> (2 + random.below(20));
  values[1] = kMarginLimit;
  values[2] = -kMarginLimit;
  for (const size_t count : {0, 1, 15, 16, 17, 1000}) {
    std::vector<uint8_t> leaf(count);
    std::vector<int32_t> expected(count);
    for (size_t i = 0; i < count; ++i) {
      leaf[i] = static_cast<uint8_t>(random.below(2) == 0 ? random.below(3) : random.word());
      expected[i] = random.below(2) == 0 ? static_cast<int32_t>(random.below(1u << 31) - (1u << 30)) : 0;
    }
    std::vector<int32_t> margin = expected;
    kernels.add_leaves(values.data(), leaf.data(), count, margin.data());
    for (size_t i = 0; i < count; ++i) expected[i] = add_leaf(expected[i], values[leaf[i]]);
    CHECK(margin == expected);
  }
}

/** A view of a table without categorical features; everything is borrowed. */
DatasetView view_of(const std::vector<uint8_t>& bins, const std::vector<int>& feature_bins, const std::vector<float>& label,
                    const std::vector<float>* weight) {
  DatasetView view;
  view.bins = bins.data();
  view.rows = label.size();
  view.stride = feature_bins.size();
  view.features = static_cast<int>(feature_bins.size());
  view.feature_bins = feature_bins;
  view.categorical.assign(feature_bins.size(), 0);
  view.label = label.data();
  if (weight != nullptr) view.weight = weight->data();
  return view;
}

/** Trees over tables that take each form of the histogram: halves or counts in a word, or two words, from rows on. */
void trees_are_the_scalar_ones(const Kernels& kernels) {
  uint64_t seed = 10;
  for (const size_t rows : {300, 3000, 70000}) {
    for (const int features : {3, 19, 37}) {
      for (const int form : {0, 1, 2}) {  // logistic, squared error, squared error with weights
        if (rows > 3000 && features > 3) continue;
        Random random(++seed);
        const auto width = static_cast<size_t>(features);
        std::vector<uint8_t> bins(rows * width);
        std::vector<float> label(rows);
        std::vector<float> weight(rows);
        std::vector<int> feature_bins;
        for (int f = 0; f < features; ++f) feature_bins.push_back(f % 3 == 0 ? 255 : 1 + static_cast<int>(random.below(255)));
        for (size_t row = 0; row < rows; ++row) {
          for (size_t f = 0; f < width; ++f) {
            const auto codes = static_cast<uint32_t>(feature_bins[f]) + 1;
            bins[row * width + f] = static_cast<uint8_t>(f % 4 == 1 ? random.below(codes) : 1 + random.below(codes - 1));
          }
          const auto signal = static_cast<uint32_t>(bins[row * width]) + random.below(128);
          label[row] = form == 0 ? static_cast<float>(signal > 190) : static_cast<float>(signal) * 0.37f;
          weight[row] = 0.25f + random.unit();
        }
        const DatasetView view = view_of(bins, feature_bins, label, form == 2 ? &weight : nullptr);
        JobSpec job;
        job.params.objective = form == 0 ? Objective::kLogistic : Objective::kSquaredError;
        job.params.subsample = features == 19 ? 0.7 : 1;
        job.params.colsample_bytree = features == 37 ? 0.6 : 1;
        job.params.reg_alpha = seed % 2 == 0 ? 0 : 1;
        job.seed = seed;
        job.rows = {0, rows - rows / 5, nullptr};
        const HistogramLayout layout(view);
        const auto train = [&](const Kernels& level) {
          Batch batch(view, layout, level, {job});
          batch.advance_job(0, 2, Executor(), CancelFlag());
          return batch.ensemble(0);
        };
        const Ensemble expected = train(kernels_named("scalar"));
        CHECK(expected.trees[0].nodes.size() > 8);
        CHECK(same_trees(train(kernels), expected));
      }
    }
  }
}

/** A table of nearly constant columns, trained with and without the lists of what is not constant, by equality. */
void skipped_codes_are_inferred() {
  uint64_t seed = 100;
  for (const size_t rows : {300, 70000}) {
    for (const int form : {0, 1, 2}) {  // as above
      for (const int threads : {1, 3}) {
        Random random(++seed);
        constexpr size_t kFeatures = 75;  // the second block is all rare codes, the first one and the rest are not
        std::vector<uint8_t> bins(rows * kFeatures);
        std::vector<float> label(rows);
        std::vector<float> weight(rows);
        std::vector<int> feature_bins;
        for (size_t f = 0; f < kFeatures; ++f) feature_bins.push_back(f < 6 ? 255 : 1 + static_cast<int>(f % 7));
        for (size_t row = 0; row < rows; ++row) {
          uint32_t signal = random.below(64);
          for (size_t f = 0; f < kFeatures; ++f) {
            const auto codes = static_cast<uint32_t>(feature_bins[f]) + 1;
            const bool is_rare = f < 6 || random.below(20) == 0;
            bins[row * kFeatures + f] = static_cast<uint8_t>(is_rare ? random.below(codes) : f % codes);
            if (f >= 32 && is_rare) signal += 16;
          }
          label[row] = form == 0 ? static_cast<float>(signal > 70) : static_cast<float>(signal) * 0.37f;
          weight[row] = 0.25f + random.unit();
        }
        const DatasetView view = view_of(bins, feature_bins, label, form == 2 ? &weight : nullptr);
        JobSpec job;
        job.params.objective = form == 0 ? Objective::kLogistic : Objective::kSquaredError;
        job.params.colsample_bytree = threads == 1 ? 1 : 0.7;
        job.seed = seed;
        job.rows = {0, rows, nullptr};
        const auto train = [&](const HistogramLayout& layout) {
          Batch batch(view, layout, kernels_named(""), {job});
          ThreadPool pool(threads);
          batch.advance_job(0, 2, Executor(&pool), CancelFlag());
          return batch.ensemble(0);
        };
        HistogramLayout layout(view);
        CHECK((layout.skipping.blocks == std::vector<bool>{false, true, false}));
        const Ensemble skipping = train(layout);
        layout.skipping.blocks.assign(3, false);
        CHECK(skipping.trees[0].nodes.size() > 8);
        CHECK(same_trees(skipping, train(layout)));
      }
    }
  }
}

}  // namespace

void test_kernels() {
  skipped_codes_are_inferred();
  const std::vector<std::string> levels = available_kernels();
  CHECK(!levels.empty() && levels.back() == "scalar");
  for (const char* level : {"avx512", "avx2", "neon"}) {
    if (std::find(levels.begin(), levels.end(), level) == levels.end()) {
      std::printf("not run: kernels for %s, which this machine does not have\n", level);
      continue;
    }
    const Kernels& kernels = kernels_named(level);
    gradients_are_the_scalar_ones(kernels);
    losses_are_those_of_the_rows(kernels);
    samples_are_the_scalar_ones(kernels);
    first_words_are_those_of_their_blocks(kernels);
    selections_are_the_scalar_ones(kernels);
    partitions_are_the_scalar_ones(kernels);
    leaves_are_added_one_by_one(kernels);
    trees_are_the_scalar_ones(kernels);
  }
}
