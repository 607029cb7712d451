// Times boosting on a CUDA device without Node, on the files of lockstep_bench.
// usage: lockstep_cuda_bench FILE [rounds] [depth] [metric: auc, logloss, rmse or none] [folds] [jobs ...] [--kernels]
//   [--direct-rows N] [--build-rows N]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "cuda/batch.h"
#include "table.h"

namespace {

using namespace lockstep;
using namespace lockstep::bench;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/** Jobs of different seeds; with folds, each trains on the training rows but for one fold and is scored on that. */
std::vector<JobSpec> jobs_of(const Table& table, const JobSpec& job, size_t count, size_t folds) {
  std::vector<RowSet> in(folds);
  std::vector<RowSet> out(folds);
  for (size_t fold = 0; fold < folds; ++fold) {
    std::vector<uint32_t> kept;
    std::vector<uint32_t> left_out;
    for (uint32_t row = 0; row < table.train; ++row) (row % folds == fold ? left_out : kept).push_back(row);
    in[fold].list = std::make_shared<const std::vector<uint32_t>>(std::move(kept));
    out[fold].list = std::make_shared<const std::vector<uint32_t>>(std::move(left_out));
  }
  std::vector<JobSpec> jobs(count, job);
  for (size_t j = 0; j < count; ++j) {
    jobs[j].seed = j;
    if (folds < 2) continue;
    jobs[j].rows = in[j % folds];
    jobs[j].evals = {out[j % folds]};
  }
  return jobs;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> words;
  bool kernels = false;
  cuda::BatchOptions options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--kernels") {
      kernels = true;
    } else if (word == "--direct-rows" && i + 1 < argc) {
      options.direct_rows = static_cast<uint32_t>(std::stoul(argv[++i]));
    } else if (word == "--build-rows" && i + 1 < argc) {
      options.build_rows = static_cast<uint32_t>(std::stoul(argv[++i]));
    } else {
      words.push_back(word);
    }
  }
  if (words.empty()) {
    std::fprintf(stderr, "usage: lockstep_cuda_bench FILE [rounds] [depth] [metric] [folds] [jobs ...] [--kernels]\n");
    return 2;
  }
  const auto option = [&](size_t i, const char* otherwise) { return words.size() > i ? words[i] : otherwise; };
  try {
    const Table table = table_of(words[0]);
    const auto rounds = static_cast<size_t>(std::stoul(option(1, "100")));
    const std::string metric = option(3, "none");
    const JobSpec job = job_of(table, metric, std::stoi(option(2, "6")));
    const auto folds = static_cast<size_t>(std::stoul(option(4, "1")));
    std::vector<size_t> counts;
    for (size_t i = 5; i < words.size(); ++i) counts.push_back(std::stoul(words[i]));
    if (counts.empty()) counts = {1, 8, 64, 512};

    const double start = seconds();
    const cuda::DeviceInfo device = cuda::device_info();
    const double ready = seconds();
    const auto dataset = std::make_shared<const cuda::CudaDataset>(table.view);
    const double uploaded = seconds();
    std::printf("%s: start of the device %.1f ms, upload of %zu MiB %.1f ms\n", device.name.c_str(), (ready - start) * 1e3,
                dataset->bytes() >> 20, (uploaded - ready) * 1e3);
    {
      cuda::CudaBatch first(dataset, {job});
      first.advance({0}, 1, CancelFlag());
      std::printf("first tree %.1f ms after that\n", (seconds() - uploaded) * 1e3);
    }
    for (const size_t count : counts) {
      std::vector<size_t> all(count);
      std::iota(all.begin(), all.end(), size_t{0});
      double preparing = 0;
      double best = 1e9;
      double score = 0;
      uint64_t hash = 0;
      size_t turns = 0;
      constexpr int kRepeats = 3;
      for (int repeat = 0; repeat < kRepeats; ++repeat) {
        const double begin = seconds();
        cuda::CudaBatch batch(dataset, jobs_of(table, job, count, folds), options);
        const double prepared = seconds();
        const std::vector<JobScores> scores = batch.advance(all, rounds, CancelFlag());
        const double end = seconds();
        if (end - prepared < best) {
          best = end - prepared;
          preparing = prepared - begin;
        }
        hash = hash_of(batch.ensemble(0));
        turns = batch.turns();
        if (metric != "none") score = scores[0].values.back();
      }
      std::printf("%4zu jobs, %zu rounds, depth %d, %zu folds: preparing %.3f s, boosting %.4f s, %.1f models/s, %.4f ms a tree, %zu turns, score %.6f, hash %016llx\n",
                  count, rounds, job.params.max_depth, folds, preparing, best, static_cast<double>(count) / best,
                  best / static_cast<double>(count * rounds) * 1e3, turns, score, static_cast<unsigned long long>(hash));
      if (!kernels) continue;
      cuda::CudaBatch batch(dataset, jobs_of(table, job, count, folds), options);
      const cuda::Profile profile;
      batch.advance(all, rounds, CancelFlag());
      for (const auto& [name, entry] : profile.entries()) {
        std::printf("  %-20s %8zu launches %10.3f ms %10.2f us each\n", name.c_str(), entry.launches, entry.milliseconds,
                    entry.milliseconds * 1e3 / static_cast<double>(entry.launches));
      }
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
