#include "cuda/batch.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>
#include <string>
#include <thread>

#include "core/sampling.h"
#include "cpu/gradients.h"
#include "cpu/predict.h"
#include "cpu/resume.h"
#include "cuda/kernels.h"
#include "cuda/rows.h"

namespace lockstep::cuda {
namespace {

/** Shared memory of a block that sums histograms at most: two fit a processor. */
constexpr size_t kMaxBuildShared = size_t{96} << 10;
constexpr unsigned kLeastBuildBlock = 512;
/** Rounds whose trees the device keeps before the host fetches them, and what memory there is for them. */
constexpr size_t kMaxRoundsAtOnce = 64;
constexpr size_t kMaxPoolBytes = size_t{256} << 20;
constexpr size_t kPoolPart = 8;
/** Margins of all jobs stay on the device where they take no more than this part of its memory. */
constexpr size_t kMarginPart = 8;
/** How long the device works between two looks at the cancel flag. */
constexpr double kSecondsAtOnce = 0.025;
/** Threads that turn what the device has found into trees, at most, and trees for which it takes more than one. */
constexpr unsigned kMostThreads = 8;
constexpr size_t kManyTrees = 64;
/** A longer round is queued launch by launch. */
constexpr size_t kMaxGraphSteps = 512;

size_t power_of_two(int exponent) { return size_t{1} << exponent; }

void append_tasks(std::vector<RowTask>& tasks, size_t owner, size_t rows, uint32_t chunk) {
  for (size_t begin = 0; begin < rows; begin += chunk) {
    tasks.push_back({static_cast<uint32_t>(owner), static_cast<uint32_t>(begin),
                     static_cast<uint32_t>(std::min(rows, begin + chunk))});
  }
}

/** One model. */
struct Job {
  JobSpec spec;
  const RowMap* map = nullptr;
  const Truth* truth = nullptr;
  Ensemble ensemble;
  size_t classes = 1;
  uint32_t wanted = 0;
  std::vector<EvalConstants> evals;
  ScoreParams score[9];
  Buffer<int8_t> constraints;
  std::vector<int32_t> margins;  // (total, classes) while they are not on the device; empty before the first round
  size_t margin_offset = 0;      // among those that stay on the device
  bool has_margins = false;      // they are there

  size_t rounds() const { return ensemble.trees.size() / classes; }
  size_t train() const { return map->train; }
  /** Nodes of a level that may be split: every node has a row. */
  size_t level_nodes(int depth) const { return std::min(power_of_two(depth), train()); }
  size_t most_level_nodes() const { return level_nodes(spec.params.max_depth - 1); }
  size_t most_nodes() const { return std::min(power_of_two(spec.params.max_depth + 1), 2 * train()) - 1; }
};

/** Jobs that are trained together, their memory and their launches. */
struct Turn {
  std::vector<size_t> jobs;
  size_t slots = 0;          // histograms of a unit; 0: as many as a level needs
  size_t pool_rounds = 1;

  RoundView view{};
  ScoreView score{};
  LaunchPlan plan;
  std::vector<size_t> portions;  // by depth
  size_t steps = 0;
  size_t pool_nodes = 0;         // of a round

  std::vector<JobView> job_views;
  std::vector<UnitView> units;
  std::vector<RowTask> train_tasks;
  std::vector<RowTask> unit_tasks;
  std::vector<RowTask> all_tasks;
  std::vector<FeatureGroup> groups[2];
  std::vector<size_t> first_eval;  // of each job
  std::vector<EvalView> evals;
  std::vector<RowTask> eval_tasks;
  std::vector<RankView> ranks;
  std::vector<RowTask> rank_tasks;
  std::vector<uint32_t> rounds;
  bool is_warm = false;          // a round has been queued
  std::unique_ptr<Graph> graph;  // of a round, once it has been recorded
};

template <class T>
void upload(const std::vector<T>& values, const T* device, const Stream& stream) {
  if (values.empty()) return;
  check(cudaMemcpyAsync(const_cast<T*>(device), values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice,
                        stream.get()));
}

/** Cuts the features into groups whose cells fit a block's shared memory, a word of each. */
std::vector<FeatureGroup> group_features(const std::vector<FeatureCells>& features, size_t words_in_block) {
  constexpr uint32_t kLeastRoomLog2 = 3;
  std::vector<FeatureGroup> groups;
  for (size_t first = 0; first < features.size();) {
    uint32_t room_log2 = 5;
    size_t words = 0;
    size_t end = first;
    for (;; --room_log2) {
      end = std::min(features.size(), first + power_of_two(static_cast<int>(room_log2)));
      while (room_log2 > kLeastRoomLog2 && power_of_two(static_cast<int>(room_log2) - 1) >= end - first) --room_log2;
      size_t codes = 0;
      for (size_t f = first; f < end; ++f) codes = std::max<size_t>(codes, features[f].codes);
      words = ((codes << room_log2) + kWarpSize - 1) / kWarpSize * kWarpSize;
      if (room_log2 == kLeastRoomLog2 || words <= words_in_block) break;
    }
    const uint32_t cells = features[end - 1].first + features[end - 1].codes - features[first].first;
    groups.push_back({static_cast<uint32_t>(first), static_cast<uint32_t>(end - first), room_log2,
                      static_cast<uint32_t>(words), features[first].first, cells});
    first = end;
  }
  return groups;
}

}  // namespace

class CudaBatch::Impl {
 public:
  Impl(std::shared_ptr<const CudaDataset> dataset, std::vector<JobSpec> specs, const BatchOptions& options);
  ~Impl() {
    // Nothing may be written to the buffers any more; a failure has been reported by the call that it ended.
    cudaStreamSynchronize(stream_.get());
    cudaStreamSynchronize(copies_.get());
    dataset_->take_back(std::move(calls_));
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::vector<JobScores> advance(const std::vector<size_t>& jobs, size_t rounds, const CancelFlag& cancel);
  const Ensemble& ensemble(size_t job) const { return jobs_.at(job).ensemble; }
  size_t jobs() const { return jobs_.size(); }
  size_t turns() const { return turns_; }

 private:
  void add_job(JobSpec spec);
  size_t available_memory() const;
  std::vector<Turn> take_turns(const std::vector<size_t>& jobs, size_t memory) const;
  size_t lay_out(Turn& turn, unsigned char* memory) const;
  void add_units(Turn& turn, size_t job, Arena& arena) const;
  uint32_t direct_rows(const Job& job) const;
  size_t most_slots(const Job& job) const;
  void add_evals(Turn& turn, size_t job) const;
  void lay_out_lists(Turn& turn, Arena& arena) const;
  void lay_out_scores(Turn& turn, Arena& arena) const;
  void begin(std::unique_ptr<Turn> turn);
  void end();
  void queue_round(const Turn& turn) const;
  void train(Turn& turn, size_t rounds, const CancelFlag& cancel, std::vector<JobScores>& scores);
  void queue_call(Turn& turn, Call& call, size_t half) const;
  void finish_call(const Turn& turn, Call& call, std::vector<JobScores>& scores);
  void take_trees(const Turn& turn, const Call& call, size_t job, JobScores& scores);
  Tree to_tree(const Job& job, const Call& call, const FinishedTree& finished) const;

  std::shared_ptr<const CudaDataset> dataset_;
  BatchOptions options_;
  Stream stream_;
  SharedRows rows_;
  bool has_categories_ = false;
  std::unique_ptr<Calls> calls_;
  size_t pool_bytes_;
  std::vector<Job> jobs_;
  Buffer<unsigned char> memory_;
  Buffer<int32_t> margins_;      // of all jobs; none: they wait on the host while others take their turn
  std::unique_ptr<Turn> turn_;   // whose margins are on the device
  size_t turns_ = 0;
  Stream copies_;
  std::unique_ptr<ThreadPool> threads_;
};

CudaBatch::Impl::Impl(std::shared_ptr<const CudaDataset> dataset, std::vector<JobSpec> specs, const BatchOptions& options)
    : dataset_(std::move(dataset)),
      options_(options),
      rows_(*dataset_),
      calls_(dataset_->lend_calls()),
      pool_bytes_(std::min(kMaxPoolBytes, dataset_->available_memory() / kPoolPart)) {
  for (const FeatureCells& feature : dataset_->features()) has_categories_ = has_categories_ || feature.categorical != 0;
  for (JobSpec& spec : specs) add_job(std::move(spec));
  size_t margins = 0;
  for (Job& job : jobs_) {
    job.margin_offset = margins;
    margins += job.map->total * job.classes;
  }
  if (margins * sizeof(int32_t) <= dataset_->available_memory() / kMarginPart) margins_ = Buffer<int32_t>(margins);
  for (size_t job = 0; job < jobs_.size(); ++job) take_turns({job}, available_memory());
}

/** Bytes that a turn may take. */
size_t CudaBatch::Impl::available_memory() const {
  const size_t with_margins = dataset_->available_memory(memory_.bytes() + margins_.bytes());
  return with_margins > margins_.bytes() ? with_margins - margins_.bytes() : 0;
}

void CudaBatch::Impl::add_job(JobSpec spec) {
  const DatasetView& data = dataset_->host();
  if (spec.rows.size() == 0) throw std::invalid_argument("a job needs at least one training row");
  check_params(data, spec.params);
  Job job;
  job.map = &rows_.map_of(spec);
  job.truth = &rows_.truth_of(spec, *job.map);
  const JobScale& scale = job.truth->scale;
  job.classes = static_cast<size_t>(trees_per_round(spec.params));
  job.ensemble.margin_bits = scale.margin_bits;
  job.ensemble.classes = static_cast<int>(job.classes);
  job.ensemble.base_margins = scale.base_margins;
  job.ensemble.base_value = scale.base_value;
  take_up_trees(data, spec, job.ensemble);
  spec.resume.reset();
  if (!job.ensemble.trees.empty()) {
    const RowSet all{0, data.rows, nullptr};
    const std::vector<int32_t> before = predict_margins(data, job.ensemble, all, kernels_named(""), Executor());
    for (const uint32_t row : job.map->host_rows) {
      const auto of_row = before.begin() + static_cast<ptrdiff_t>(row * job.classes);
      job.margins.insert(job.margins.end(), of_row, of_row + static_cast<ptrdiff_t>(job.classes));
    }
  }
  job.wanted = spec.evals.empty() ? 0 : wanted_sums(spec.metrics, spec.params.objective);
  for (size_t e = 0; e < job.map->evals.size(); ++e) {
    const RowMap::Eval& eval = job.map->evals[e];
    job.evals.push_back({{spec.params.objective, static_cast<uint32_t>(job.classes)},
                         eval.rows,
                         eval.total_weight,
                         scale.margin_bits,
                         job.truth->variation[e]});
  }
  const bool regression = spec.params.objective == Objective::kSquaredError;
  for (int shift = 0; shift <= 8; ++shift) {
    const int unit = regression ? scale.weight_exponent - scale.margin_bits + shift
                                : scale.weight_exponent - (30 - kLogisticGradientShift);
    job.score[shift] = score_params(spec.params, scale, unit);
  }
  job.constraints = Buffer<int8_t>(spec.params.monotone_constraints, stream_);
  job.spec = std::move(spec);
  jobs_.push_back(std::move(job));
}

/** Cuts the jobs into turns that fit the memory; throws DeviceMemoryError where a job does not. */
std::vector<Turn> CudaBatch::Impl::take_turns(const std::vector<size_t>& jobs, size_t memory) const {
  std::vector<Turn> turns;
  const auto fits = [&](size_t first, size_t count, size_t slots) {
    Turn turn;
    turn.jobs.assign(jobs.begin() + static_cast<ptrdiff_t>(first), jobs.begin() + static_cast<ptrdiff_t>(first + count));
    turn.slots = slots;
    return lay_out(turn, nullptr) <= memory;
  };
  // The largest number of 1 … most that fits, given that 1 does.
  const auto most_that_fit = [](size_t most, const auto& fits_so_many) {
    size_t good = 1;
    size_t bad = most + 1;
    if (fits_so_many(most)) return most;
    while (bad - good > 1) {
      const size_t middle = good + (bad - good) / 2;
      (fits_so_many(middle) ? good : bad) = middle;
    }
    return good;
  };
  for (size_t first = 0; first < jobs.size();) {
    Turn turn;
    size_t count = 1;
    if (fits(first, 1, 0)) {
      count = most_that_fit(jobs.size() - first, [&](size_t n) { return fits(first, n, 0); });
    } else {
      if (!fits(first, 1, 1)) {
        turn.jobs = {jobs[first]};
        turn.slots = 1;
        throw DeviceMemoryError("a model needs " + std::to_string((lay_out(turn, nullptr) >> 20) + 1) +
                                " MiB of the device's memory, and " + std::to_string(memory >> 20) +
                                " MiB are free: use fewer rows or classes, or another engine");
      }
      turn.slots = most_that_fit(most_slots(jobs_[jobs[first]]), [&](size_t n) { return fits(first, 1, n); });
    }
    turn.jobs.assign(jobs.begin() + static_cast<ptrdiff_t>(first), jobs.begin() + static_cast<ptrdiff_t>(first + count));
    first += count;
    turns.push_back(std::move(turn));
  }
  return turns;
}

/** Gives the turn its views with memory from `memory` on, or without it finds out how much that takes. */
size_t CudaBatch::Impl::lay_out(Turn& turn, unsigned char* memory) const {
  Arena arena(memory);
  turn.plan = {};
  turn.plan.processors = static_cast<unsigned>(dataset_->device().processors);
  turn.plan.has_categories = has_categories_;
  turn.view = {};
  turn.view.data = dataset_->view();
  turn.score = {};
  for (auto* list : {&turn.train_tasks, &turn.unit_tasks, &turn.all_tasks, &turn.eval_tasks, &turn.rank_tasks}) list->clear();
  turn.job_views.clear();
  turn.units.clear();
  turn.first_eval.clear();
  turn.evals.clear();
  turn.ranks.clear();
  turn.rounds.clear();
  const size_t shared = std::min(kMaxBuildShared, dataset_->device().shared_bytes) - kMostBuildBlock * kStagedBytes;
  turn.plan.build_shared_bytes = 0;
  for (const bool wide : {false, true}) {
    const size_t cell_bytes = wide ? 16 : 8;
    turn.groups[wide ? 1 : 0] = group_features(dataset_->features(), shared / cell_bytes);
  }
  RoundView& view = turn.view;
  auto* error_bits = arena.take<uint32_t>(turn.jobs.size());
  auto* rounds = arena.take<uint32_t>(turn.jobs.size());
  for (size_t j = 0; j < turn.jobs.size(); ++j) {
    add_units(turn, turn.jobs[j], arena);
    JobView& job = turn.job_views.back();
    job.error_bits = error_bits == nullptr ? nullptr : error_bits + j;
    job.round = rounds == nullptr ? nullptr : rounds + j;
    turn.rounds.push_back(static_cast<uint32_t>(jobs_[turn.jobs[j]].rounds()));
    add_evals(turn, turn.jobs[j]);
  }
  view.job_count = static_cast<uint32_t>(turn.job_views.size());
  view.unit_count = static_cast<uint32_t>(turn.units.size());
  view.jobs = arena.take<JobView>(turn.job_views.size());
  view.units = arena.take<UnitView>(turn.units.size());
  view.states = arena.take<UnitState>(turn.units.size());
  lay_out_lists(turn, arena);
  lay_out_scores(turn, arena);
  return arena.used();
}

uint32_t CudaBatch::Impl::direct_rows(const Job& job) const {
  const bool wide = job.spec.params.objective == Objective::kSquaredError;
  return std::min(options_.direct_rows, wide ? kMaxDirectWideRows : kMaxBuildRows);
}

/** Histograms that a level needs at most: both of a pair of nodes, one of which has more than direct_rows rows. */
size_t CudaBatch::Impl::most_slots(const Job& job) const {
  const size_t in_pairs = 2 * (job.train() / (size_t{direct_rows(job)} + 1));
  return std::min(job.most_level_nodes(), std::max<size_t>(in_pairs, 1));
}

void CudaBatch::Impl::add_units(Turn& turn, size_t j, Arena& arena) const {
  const Job& job = jobs_[j];
  const TreeParams& params = job.spec.params;
  const RowMap& map = *job.map;
  const Truth& truth = *job.truth;
  JobView of{};
  of.objective = params.objective;
  of.classes = static_cast<int>(job.classes);
  of.first_unit = static_cast<uint32_t>(turn.units.size());
  of.train = map.train;
  of.total = map.total;
  of.key = philox_key(job.spec.seed);
  of.sample_below = params.subsample < 1 ? subsample_threshold(params.subsample) : uint64_t{1} << 32;
  of.max_depth = params.max_depth;
  const auto left_of = [](double fraction, int features) {
    return fraction < 1 ? sampled_feature_count(fraction, features) : features;
  };
  of.tree_features = left_of(params.colsample_bytree, dataset_->host().features);
  of.level_features = left_of(params.colsample_bylevel, of.tree_features);
  of.node_features = left_of(params.colsample_bynode, of.level_features);
  of.max_cat_to_onehot = params.max_cat_to_onehot;
  of.max_cat_threshold = params.max_cat_threshold;
  of.rows = map.rows.get();
  of.first_row = map.first_row;
  of.weight = truth.weight.get();
  of.label = truth.label.get();
  of.target = truth.target.get();
  of.constraints = job.constraints.get();
  std::copy(std::begin(job.score), std::end(job.score), of.score);
  of.margins = margins_.get() == nullptr ? arena.take<int32_t>(map.total * job.classes) : margins_.get() + job.margin_offset;
  const bool softmax = params.objective == Objective::kSoftmax;
  const bool regression = params.objective == Objective::kSquaredError;
  if (softmax) of.normaliser = arena.take<uint2>(map.train);
  turn.plan.any_softmax = turn.plan.any_softmax || softmax;
  turn.plan.any_squared_error = turn.plan.any_squared_error || regression;
  turn.plan.samples_features = turn.plan.samples_features || params.colsample_bytree < 1 || params.colsample_bylevel < 1;
  turn.plan.samples_by_node = turn.plan.samples_by_node || params.colsample_bynode < 1;
  const size_t owner = turn.job_views.size();
  append_tasks(turn.train_tasks, owner, map.train, kRowChunk);
  append_tasks(turn.all_tasks, owner, map.total, kRowChunk);
  turn.job_views.push_back(of);

  const size_t slots = turn.slots == 0 ? most_slots(job) : std::min(turn.slots, most_slots(job));
  for (const FeatureGroup& group : turn.groups[regression ? 1 : 0]) {
    turn.plan.build_shared_bytes =
        std::max(turn.plan.build_shared_bytes, size_t{group.words} * (regression ? 16 : 8));
  }
  for (size_t c = 0; c < job.classes; ++c) {
    UnitView unit{};
    unit.job = static_cast<uint32_t>(owner);
    unit.class_index = static_cast<uint32_t>(c);
    unit.slots = static_cast<uint32_t>(slots);
    unit.direct_rows = direct_rows(job);
    unit.portioned = slots < most_slots(job);
    unit.wide = regression;
    unit.gradients = arena.take<int2>(map.train);
    for (uint32_t*& order : unit.order) order = arena.take<uint32_t>(map.train);
    unit.nodes = arena.take<GrowingNode>(job.most_nodes());
    unit.route = arena.take<RouteNode>(job.most_nodes());
    if (has_categories_) unit.sets = arena.take<CodeSet>(job.most_nodes());
    unit.histograms = arena.take<Sums>(slots * turn.view.data.cells);
    unit.free_list = arena.take<uint32_t>(slots);
    unit.tree_mask = arena.take<uint32_t>(static_cast<size_t>(turn.view.data.mask_words));
    unit.level_mask = arena.take<uint32_t>(static_cast<size_t>(turn.view.data.mask_words));
    append_tasks(turn.unit_tasks, turn.units.size(), map.train, kRowChunk);
    turn.units.push_back(unit);
  }
}

void CudaBatch::Impl::add_evals(Turn& turn, size_t j) const {
  const Job& job = jobs_[j];
  turn.first_eval.push_back(turn.evals.size());
  if (job.wanted == 0) return;
  for (size_t e = 0; e < job.evals.size(); ++e) {
    const RowMap::Eval& rows = job.map->evals[e];
    EvalView eval{};
    eval.job = static_cast<uint32_t>(turn.job_views.size() - 1);
    eval.rows = rows.rows;
    eval.positions = rows.positions.get();
    eval.first_position = rows.first_position;
    eval.wanted = job.wanted;
    eval.weight = rows.weight.get();
    eval.layout = job.evals[e].layout;
    eval.first_word = turn.score.words;
    turn.score.words += eval.layout.words();
    append_tasks(turn.eval_tasks, turn.evals.size(), rows.rows, kRowChunk);
    for (uint32_t c = 0; c < job.classes && (job.wanted & kWantPairs) != 0 && rows.rows > 0; ++c) {
      const bool first = turn.ranks.empty();
      const RankView* last = first ? nullptr : &turn.ranks.back();
      const uint32_t tile = first ? 0 : last->first_tile + (last->rows + kTileRows - 1) / kTileRows;
      const size_t element = first ? 0 : last->first + last->rows;
      append_tasks(turn.rank_tasks, turn.ranks.size(), rows.rows, kTileRows);
      turn.ranks.push_back({static_cast<uint32_t>(turn.evals.size()), c, rows.rows, tile, element});
    }
    turn.evals.push_back(eval);
  }
}

/** Work lists, pools and what else depends on all jobs. */
void CudaBatch::Impl::lay_out_lists(Turn& turn, Arena& arena) const {
  RoundView& view = turn.view;
  const auto features = static_cast<size_t>(view.data.feature_count);
  const auto mask_words = static_cast<size_t>(view.data.mask_words);
  view.search_groups = static_cast<uint32_t>((features + kSearchFeatures - 1) / kSearchFeatures);
  size_t rows = 0;
  for (const UnitView& unit : turn.units) rows += turn.job_views[unit.job].train;
  // Some tasks for each processor, but few enough that handing over the sums costs little.
  const size_t even = rows / (size_t{2} * turn.plan.processors);
  view.build_rows = options_.build_rows != 0 ? std::min(options_.build_rows, kMaxBuildRows)
                                             : static_cast<uint32_t>(std::clamp<size_t>(even, 1024, 32768));
  static_assert(32768 <= kMaxBuildRows);

  turn.portions.clear();
  size_t builds = 0;
  size_t searches = 0;
  size_t moves = 0;
  turn.pool_nodes = 0;
  for (const UnitView& unit : turn.units) {
    const Job& job = jobs_[turn.jobs[unit.job]];
    turn.plan.shares_nodes = turn.plan.shares_nodes || job.train() > view.build_rows;
    builds += (job.train() / view.build_rows + unit.slots) * turn.groups[unit.wide ? 1 : 0].size();
    searches += unit.portioned ? unit.slots : job.most_level_nodes();
    moves += job.train() / kMovedRows + job.most_level_nodes();
    turn.pool_nodes += job.most_nodes();
    const auto depths = static_cast<size_t>(job.spec.params.max_depth);
    if (turn.portions.size() < depths) turn.portions.resize(depths, 1);
    for (size_t depth = 0; unit.portioned && depth < depths; ++depth) {
      const size_t nodes = job.level_nodes(static_cast<int>(depth));
      turn.portions[depth] = std::max(turn.portions[depth], (nodes + unit.slots - 1) / unit.slots);
    }
  }
  turn.plan.build_block = turn.plan.shares_nodes ? kMostBuildBlock : kLeastBuildBlock;
  turn.plan.build_shared_bytes += turn.plan.build_block * kStagedBytes;
  turn.steps = 0;
  for (const size_t portions : turn.portions) turn.steps += portions;
  const size_t node_bytes = sizeof(FinishedNode) + (has_categories_ ? sizeof(CodeSet) : 0);
  turn.pool_rounds = std::clamp<size_t>(pool_bytes_ / (2 * turn.pool_nodes * node_bytes), 1, kMaxRoundsAtOnce);

  view.train_tasks = arena.take<RowTask>(turn.train_tasks.size());
  view.unit_tasks = arena.take<RowTask>(turn.unit_tasks.size());
  view.all_tasks = arena.take<RowTask>(turn.all_tasks.size());
  view.train_task_count = static_cast<uint32_t>(turn.train_tasks.size());
  view.unit_task_count = static_cast<uint32_t>(turn.unit_tasks.size());
  view.all_task_count = static_cast<uint32_t>(turn.all_tasks.size());
  for (int wide = 0; wide < 2; ++wide) {
    view.groups[wide] = arena.take<FeatureGroup>(turn.groups[wide].size());
    view.group_count[wide] = static_cast<uint32_t>(turn.groups[wide].size());
  }
  view.counts = arena.take<StepCounts>(turn.steps);
  view.build = arena.take<NodeTask>(builds);
  view.partition = arena.take<NodeTask>(moves);
  view.search = arena.take<SearchTask>(searches);
  view.search_room = static_cast<uint32_t>(searches);
  view.candidates = arena.take<Candidate>(searches * view.search_groups);
  if (!has_categories_) view.few = arena.take<SearchTask>(searches);
  if (turn.plan.samples_by_node) view.node_masks = arena.take<uint32_t>((has_categories_ ? 1 : 2) * searches * mask_words);
  if (turn.plan.samples_by_node || turn.plan.samples_features) {
    view.feature_keys = arena.take<uint32_t>(kSamplingWarps * features);
  }
  view.finished = arena.take<FinishedNode>(2 * turn.pool_rounds * turn.pool_nodes);
  if (has_categories_) view.finished_sets = arena.take<CodeSet>(2 * turn.pool_rounds * turn.pool_nodes);
  view.trees = arena.take<FinishedTree>(2 * turn.pool_rounds * turn.units.size());
  view.pool_used = arena.take<uint32_t>(2);
  view.call_round = arena.take<uint32_t>(1);
}

void CudaBatch::Impl::lay_out_scores(Turn& turn, Arena& arena) const {
  ScoreView& score = turn.score;
  if (turn.evals.empty()) return;
  const size_t tiles = turn.rank_tasks.size();
  const size_t elements = turn.ranks.empty() ? 0 : turn.ranks.back().first + turn.ranks.back().rows;
  score.evals = arena.take<EvalView>(turn.evals.size());
  score.eval_tasks = arena.take<RowTask>(turn.eval_tasks.size());
  score.eval_task_count = static_cast<uint32_t>(turn.eval_tasks.size());
  score.sums = arena.take<uint64_t>(2 * turn.pool_rounds * score.words);
  score.ranks = arena.take<RankView>(turn.ranks.size());
  score.rank_count = static_cast<uint32_t>(turn.ranks.size());
  score.rank_tasks = arena.take<RowTask>(tiles);
  score.rank_task_count = static_cast<uint32_t>(tiles);
  for (RankElement*& half : score.elements) half = arena.take<RankElement>(elements);
  score.highest = arena.take<uint32_t>(turn.ranks.size());
  score.depth_of_lowest = arena.take<uint32_t>(turn.ranks.size());
  score.digit_counts = arena.take<uint32_t>(tiles * kDigits);
  score.before = arena.take<LabelWeights>(elements);
  score.tile_before = arena.take<LabelWeights>(tiles);
  score.totals = arena.take<LabelWeights>(turn.ranks.size());
}

/** Puts a turn's jobs on the device. */
void CudaBatch::Impl::begin(std::unique_ptr<Turn> turn) {
  const size_t bytes = lay_out(*turn, nullptr);
  if (bytes > memory_.size()) {
    memory_ = Buffer<unsigned char>();
    memory_ = Buffer<unsigned char>(bytes);
  }
  lay_out(*turn, memory_.get());
  upload(turn->job_views, turn->view.jobs, stream_);
  upload(turn->units, turn->view.units, stream_);
  upload(turn->train_tasks, turn->view.train_tasks, stream_);
  upload(turn->unit_tasks, turn->view.unit_tasks, stream_);
  upload(turn->all_tasks, turn->view.all_tasks, stream_);
  for (int wide = 0; wide < 2; ++wide) upload(turn->groups[wide], turn->view.groups[wide], stream_);
  upload(turn->evals, turn->score.evals, stream_);
  upload(turn->eval_tasks, turn->score.eval_tasks, stream_);
  upload(turn->ranks, turn->score.ranks, stream_);
  upload(turn->rank_tasks, turn->score.rank_tasks, stream_);
  upload(turn->rounds, turn->job_views[0].round, stream_);
  for (size_t j = 0; j < turn->jobs.size(); ++j) {
    Job& job = jobs_[turn->jobs[j]];
    if (job.has_margins) continue;
    if (job.margins.empty()) {
      const std::vector<int32_t>& base = job.ensemble.base_margins;
      job.margins.resize(job.map->total * job.classes);
      for (size_t i = 0; i < job.map->total; ++i) {
        std::copy(base.begin(), base.end(), job.margins.begin() + static_cast<ptrdiff_t>(i * job.classes));
      }
    }
    upload(job.margins, turn->job_views[j].margins, stream_);
  }
  stream_.synchronize();
  for (const size_t j : turn->jobs) {
    jobs_[j].margins = {};
    jobs_[j].has_margins = true;
  }
  turn_ = std::move(turn);
}

/** Takes the margins of the jobs on the device back, unless they stay there. */
void CudaBatch::Impl::end() {
  if (turn_ == nullptr) return;
  for (size_t j = 0; margins_.get() == nullptr && j < turn_->jobs.size(); ++j) {
    Job& job = jobs_[turn_->jobs[j]];
    job.has_margins = false;
    job.margins.resize(job.map->total * job.classes);
    check(cudaMemcpyAsync(job.margins.data(), turn_->job_views[j].margins, job.margins.size() * sizeof(int32_t),
                          cudaMemcpyDeviceToHost, stream_.get()));
  }
  stream_.synchronize();
  turn_.reset();
}

void CudaBatch::Impl::queue_round(const Turn& turn) const {
  const RoundView& view = turn.view;
  check(cudaMemsetAsync(view.counts, 0, turn.steps * sizeof(StepCounts), stream_.get()));
  begin_round(stream_, view);
  compute_gradients(stream_, view, turn.plan);
  uint32_t step = 0;
  for (uint32_t depth = 0; depth < turn.portions.size(); ++depth) {
    if (depth == 0 || turn.plan.samples_features) sample_features(stream_, view, depth);
    for (uint32_t portion = 0; portion < turn.portions[depth]; ++portion, ++step) {
      sum_histograms(stream_, view, turn.plan, depth, portion, step);
      if (turn.plan.samples_by_node) sample_node_features(stream_, view, step);
      search_splits(stream_, view, turn.plan, step);
    }
    split_level(stream_, view, turn.plan, depth, step - 1);
  }
  add_trees(stream_, view);
  if (!turn.evals.empty()) score_round(stream_, view, turn.score);
  end_round(stream_, view);
}

/** Queues call.rounds rounds; they use one half of the pools. */
void CudaBatch::Impl::queue_call(Turn& turn, Call& call, size_t half) const {
  const RoundView& view = turn.view;
  const size_t first_round = half * turn.pool_rounds;
  const size_t first_node = first_round * turn.pool_nodes;
  call.start[0] = call.start[1] = static_cast<uint32_t>(first_node);
  call.start[2] = static_cast<uint32_t>(first_round);
  check(cudaMemcpyAsync(view.pool_used, call.start, 2 * sizeof(uint32_t), cudaMemcpyHostToDevice, stream_.get()));
  check(cudaMemcpyAsync(view.call_round, call.start + 2, sizeof(uint32_t), cudaMemcpyHostToDevice, stream_.get()));
  const size_t words = call.rounds * turn.score.words;
  uint64_t* sums = turn.score.sums + first_round * turn.score.words;
  if (words > 0) check(cudaMemsetAsync(sums, 0, words * sizeof(uint64_t), stream_.get()));
  for (size_t r = 0; r < call.rounds; ++r) {
    // The driver loads a kernel when it is first launched, which must not happen while a graph is recorded.
    if (!turn.is_warm || Profile::is_active() || turn.steps > kMaxGraphSteps) {
      queue_round(turn);
      turn.is_warm = true;
      continue;
    }
    if (turn.graph == nullptr) {
      turn.graph = std::make_unique<Graph>();
      turn.graph->record(stream_, [this, &turn] { queue_round(turn); });
    }
    turn.graph->launch(stream_);
  }
  call.sums.reserve(words);
  call.sums.copy_from(sums, words, stream_);
  call.pool_used.reserve(2);
  call.pool_used.copy_from(view.pool_used, 2, stream_);
  const size_t trees = call.rounds * turn.units.size();
  call.trees.reserve(trees);
  call.trees.copy_from(view.trees + first_round * turn.units.size(), trees, stream_);
  call.filled.record(stream_);
}

/** Waits for the rounds of a call and adds their trees and scores to the jobs'. */
void CudaBatch::Impl::finish_call(const Turn& turn, Call& call, std::vector<JobScores>& scores) {
  const RoundView& view = turn.view;
  call.filled.synchronize();
  const size_t nodes = call.pool_used[0] - call.start[0];
  call.nodes.reserve(nodes);
  call.nodes.copy_from(view.finished + call.start[0], nodes, copies_);
  const size_t sets = call.pool_used[1] - call.start[1];
  call.sets.reserve(sets);
  call.sets.copy_from(view.finished_sets + call.start[1], sets, copies_);
  copies_.synchronize();
  if (call.rounds * turn.units.size() < kManyTrees) {
    for (size_t j = 0; j < turn.jobs.size(); ++j) take_trees(turn, call, j, scores[j]);
  } else {
    if (threads_ == nullptr) {
      threads_ = std::make_unique<ThreadPool>(std::clamp(std::thread::hardware_concurrency(), 1u, kMostThreads));
    }
    threads_->parallel_for(turn.jobs.size(), [&](size_t j, size_t) { take_trees(turn, call, j, scores[j]); });
  }
}

/** Adds a job's trees and scores of a call. */
void CudaBatch::Impl::take_trees(const Turn& turn, const Call& call, size_t j, JobScores& scores) {
  Job& job = jobs_[turn.jobs[j]];
  scores.rounds += call.rounds;
  for (size_t r = 0; r < call.rounds; ++r) {
    const size_t first = r * turn.units.size() + turn.job_views[j].first_unit;
    for (size_t c = 0; c < job.classes; ++c) job.ensemble.trees.push_back(to_tree(job, call, call.trees[first + c]));
    if (job.wanted == 0) continue;
    const uint64_t* sums = call.sums.data() + r * turn.score.words;
    for (size_t e = 0; e < job.evals.size(); ++e) {
      const uint64_t* of_eval = sums + turn.evals[turn.first_eval[j] + e].first_word;
      for (const Metric metric : job.spec.metrics) scores.values.push_back(metric_value(metric, job.evals[e], of_eval));
    }
  }
}

/** Gain and cover follow from the exact sums: docs/numerics.md section 8. */
Tree CudaBatch::Impl::to_tree(const Job& job, const Call& call, const FinishedTree& finished) const {
  const ScoreParams& score = job.score[finished.shift];
  const FinishedNode* nodes = call.nodes.data() + (finished.first_node - call.start[0]);
  std::vector<WeightBounds> bounds(score.bounded ? finished.nodes : 0);
  Tree tree;
  tree.nodes.reserve(finished.nodes);
  for (size_t n = 0; n < finished.nodes; ++n) {
    const FinishedNode& from = nodes[n];
    Node node;
    node.feature = from.route.feature;
    node.cover = std::ldexp(static_cast<double>(from.sums.h), score.hessian_unit);
    if (node.feature < 0) {
      node.leaf = from.route.leaf;
      tree.nodes.push_back(node);
      continue;
    }
    node.left = from.route.left;
    node.split_bin = from.route.split_bin;
    node.missing_left = from.route.missing_left;
    if (from.set >= 0) {
      node.cat_index = static_cast<int32_t>(tree.cat_sets.size());
      tree.cat_sets.push_back(call.sets[static_cast<uint32_t>(from.set) - call.start[1]]);
    }
    const auto left_child = static_cast<size_t>(node.left);
    const Sums left = nodes[left_child].sums;
    const Sums right = nodes[left_child + 1].sums;
    double gain = 0;
    if (score.bounded) {
      const WeightBounds& own = bounds[n];
      const double left_weight = bounded_weight(left, own, score);
      const double right_weight = bounded_weight(right, own, score);
      const ChildBounds children = child_bounds(own, constraint_of(job.spec.params, node.feature), left_weight, right_weight);
      bounds[left_child] = children.left;
      bounds[left_child + 1] = children.right;
      gain = weighted_score(left, left_weight, score) + weighted_score(right, right_weight, score) -
             weighted_score(from.sums, bounded_weight(from.sums, own, score), score);
    } else {
      gain = split_score(left, right, score) - node_score(from.sums, score);
    }
    node.gain = std::ldexp(gain, 2 * score.gradient_unit - score.hessian_unit);
    tree.nodes.push_back(node);
  }
  return tree;
}

/** While the host takes the trees of one call, the device works on the next one. */
void CudaBatch::Impl::train(Turn& turn, size_t rounds, const CancelFlag& cancel, std::vector<JobScores>& scores) {
  using Clock = std::chrono::steady_clock;
  size_t at_once = options_.rounds_at_once == 0 ? 2 : options_.rounds_at_once;
  Call* under_way = nullptr;
  Clock::time_point start = Clock::now();
  const auto finish = [&] {
    if (under_way == nullptr) return;
    finish_call(turn, *under_way, scores);
    const Clock::time_point end = Clock::now();
    const double seconds = std::chrono::duration<double>(end - start).count();
    start = end;
    if (options_.rounds_at_once != 0) return;
    const double fitting = kSecondsAtOnce * static_cast<double>(under_way->rounds) / std::max(seconds, 1e-6);
    at_once = std::clamp<size_t>(static_cast<size_t>(fitting), 1, kMaxRoundsAtOnce);
  };
  size_t half = 0;
  for (size_t queued = 0; queued < rounds && !cancel.is_set(); half = 1 - half) {
    Call& call = (*calls_)[half];
    call.rounds = std::min({at_once, turn.pool_rounds, rounds - queued});
    queue_call(turn, call, half);
    queued += call.rounds;
    finish();
    under_way = &call;
  }
  finish();
}

std::vector<JobScores> CudaBatch::Impl::advance(const std::vector<size_t>& jobs, size_t rounds, const CancelFlag& cancel) {
  std::vector<JobScores> scores;
  for (const size_t job : jobs) scores.push_back({job, jobs_.at(job).rounds() + 1, 0, {}});
  if (jobs.empty()) return scores;
  const auto train_turn = [&](Turn& turn, size_t first) {
    const auto begin_of = scores.begin() + static_cast<ptrdiff_t>(first);
    std::vector<JobScores> of_turn(begin_of, begin_of + static_cast<ptrdiff_t>(turn.jobs.size()));
    train(turn, rounds, cancel, of_turn);
    std::move(of_turn.begin(), of_turn.end(), begin_of);
  };
  if (turn_ != nullptr && turn_->jobs == jobs) {
    train_turn(*turn_, 0);
    return scores;
  }
  end();
  std::vector<Turn> turns = take_turns(jobs, available_memory());
  turns_ = turns.size();
  size_t first = 0;
  for (Turn& turn : turns) {
    end();
    begin(std::make_unique<Turn>(std::move(turn)));
    train_turn(*turn_, first);
    first += turn_->jobs.size();
  }
  return scores;
}

CudaBatch::CudaBatch(std::shared_ptr<const CudaDataset> dataset, std::vector<JobSpec> jobs, const BatchOptions& options)
    : impl_(std::make_unique<Impl>(std::move(dataset), std::move(jobs), options)) {}

CudaBatch::~CudaBatch() = default;

std::vector<JobScores> CudaBatch::advance(const std::vector<size_t>& jobs, size_t rounds, const CancelFlag& cancel) {
  return impl_->advance(jobs, rounds, cancel);
}

const Ensemble& CudaBatch::ensemble(size_t job) const { return impl_->ensemble(job); }

size_t CudaBatch::jobs() const { return impl_->jobs(); }

size_t CudaBatch::turns() const { return impl_->turns(); }

}  // namespace lockstep::cuda
