// Times boosting on a binned table without Node: what a profiler wants to see. bench/native/README.md has the file format.
// usage: lockstep_bench FILE [rounds] [depth] [threads] [simd] [metric: auc, logloss, rmse or none] [jobs]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <numeric>
#include <string>
#include <vector>

#include "cpu/batch.h"
#include "table.h"

namespace {

using namespace lockstep;
using namespace lockstep::bench;

double cpu_seconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: lockstep_bench FILE [rounds] [depth] [threads] [simd] [metric] [jobs]\n");
    return 2;
  }
  const auto option = [&](int i, const char* otherwise) { return std::string(argc > i ? argv[i] : otherwise); };
  try {
    const Table table = table_of(argv[1]);
    const auto rounds = static_cast<size_t>(std::stoul(option(2, "100")));
    const int threads = std::stoi(option(4, "1"));
    const Kernels& kernels = kernels_named(option(5, ""));
    const std::string metric = option(6, "none");
    const auto jobs = static_cast<size_t>(std::stoul(option(7, "1")));
    JobSpec job = job_of(table, metric, std::stoi(option(3, "6")));
    if (std::getenv("SUBSAMPLE") != nullptr) job.params.subsample = std::atof(std::getenv("SUBSAMPLE"));
    if (std::getenv("COLSAMPLE") != nullptr) job.params.colsample_bytree = std::atof(std::getenv("COLSAMPLE"));
    if (std::getenv("ALPHA") != nullptr) job.params.reg_alpha = std::atof(std::getenv("ALPHA"));
    const HistogramLayout layout(table.view);
    ThreadPool pool(threads);
    std::vector<size_t> all(jobs);
    std::iota(all.begin(), all.end(), size_t{0});
    double best_cpu = 1e9;
    double best_wall = 1e9;
    double score = 0;
    uint64_t hash = 0;
    double leaves = 0;
    const int repeats = std::getenv("REPEATS") == nullptr ? 3 : std::atoi(std::getenv("REPEATS"));
    for (int repeat = 0; repeat < repeats; ++repeat) {
      std::vector<JobSpec> specs(jobs, job);
      for (size_t j = 0; j < jobs; ++j) specs[j].seed = j;
      Batch batch(table.view, layout, kernels, std::move(specs));
      const double cpu = cpu_seconds();
      const double wall = wall_seconds();
      const std::vector<JobScores> scores = batch.advance(all, rounds, pool, CancelFlag());
      best_cpu = std::min(best_cpu, cpu_seconds() - cpu);
      best_wall = std::min(best_wall, wall_seconds() - wall);
      hash = hash_of(batch.ensemble(0));
      leaves = 0;
      for (const Tree& tree : batch.ensemble(0).trees) leaves += static_cast<double>(tree.nodes.size() + 1) / 2;
      if (metric != "none") score = scores.back().values.back();
    }
    const auto trees = static_cast<double>(rounds * jobs);
    std::printf("%-24s %s depth %d, %d threads, %zu jobs: %.4f ms CPU, %.4f ms wall a tree; %.1f leaves, score %.6f, hash %016llx\n",
                argv[1], kernels.name, job.params.max_depth, threads, jobs, best_cpu / trees * 1e3,
                best_wall / trees * 1e3, leaves / static_cast<double>(rounds), score,
                static_cast<unsigned long long>(hash));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
