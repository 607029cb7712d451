#include "cpu/grow.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <deque>
#include <iterator>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>

#include "core/sampling.h"

namespace lockstep {
namespace {

/** Rows below which a partition is not worth sharing out. */
constexpr size_t kParallelPartition = 4096;
/** Rows that are set apart at a time where the data is large: those to come are fetched meanwhile. */
constexpr size_t kChunkRows = 256;
/** From so many rows on, a child of a large data set is summed while its rows are set apart and their codes at hand. */
constexpr size_t kFusedRows = 8192;
/** Rows that are looked at to tell which child will be the smaller one. */
constexpr size_t kSampleRows = 512;
/** Subtrees of fewer rows are not worth handing to another thread. */
constexpr size_t kLeastSharedRows = 256;

/** What a step of `fraction` leaves of `from`, ascending; the keys of its features are the first words of `draw`. */
std::vector<int> sample_features(const std::vector<int>& from, double fraction, const RowDraw& draw,
                                 const Kernels& kernels) {
  if (fraction >= 1) return from;
  const auto count = static_cast<size_t>(from.back()) + 1;
  std::vector<uint32_t> words(count + TreeRows::kSlack);
  kernels.first_words(draw, count, words.data());
  const auto key_of = [&](int feature) {
    return uint64_t{words[static_cast<size_t>(feature)]} << 32 | static_cast<uint32_t>(feature);
  };
  std::vector<uint64_t> keys(from.size());
  std::transform(from.begin(), from.end(), keys.begin(), key_of);
  const auto last = keys.begin() + sampled_feature_count(fraction, static_cast<int>(from.size())) - 1;
  std::nth_element(keys.begin(), last, keys.end());
  std::vector<int> chosen;
  std::copy_if(from.begin(), from.end(), std::back_inserter(chosen),
               [&](int feature) { return key_of(feature) <= *last; });
  return chosen;
}

/** The sums of a node from those of its cells: every row has one code of any feature. */
Sums total(const Histogram& histogram, const HistogramLayout& layout, const DatasetView& data, int feature,
           Packing packing) {
  Sums sums;
  for (int code = 0; code <= data.feature_bins[static_cast<size_t>(feature)]; ++code) {
    sums += histogram.at(layout.cell(feature, static_cast<unsigned>(code)), packing);
  }
  return sums;
}

}  // namespace

ColumnTest column_test(const DatasetView& data, const Split& split, uint8_t* table) {
  // Codes 1 … bin go left, and 0 with them or not; bin is 0 only where it goes alone.
  const uint8_t low = split.missing_left ? 0 : 1;
  ColumnTest test{data.bins + split.feature, data.stride, low, static_cast<uint8_t>(split.bin - low), nullptr};
  if (split.categorical) {
    for (unsigned code = 0; code < kMaxCodes; ++code) table[code] = split.codes.has(code);
    table[0] = split.missing_left;
    test.table = table;
  }
  return test;
}

/**
 * Subtrees for whoever is free. A thread goes down its own subtree and, as long as another one waits, puts every second
 * child here: so the work is shared out as finely as it needs to be and no finer.
 */
struct TreeGrower::Sharing {
  struct Task {
    Work work;
    Branch* branch;
  };
  struct Origin {
    size_t branch;
    size_t node;
  };

  std::mutex mutex;
  std::vector<Task> waiting;
  std::deque<Branch> branches;   // the tree first; references stay valid while it grows
  std::vector<Origin> origins;   // where branch i + 1 belongs
  std::atomic<size_t> idle{0};   // threads without work
  std::atomic<size_t> open{0};   // tasks waiting or under way
  std::atomic<bool> failed{false};

  Branch& new_branch() {
    Branch& branch = branches.emplace_back();
    branch.nodes.resize(1);
    branch.index = branches.size() - 1;
    return branch;
  }

  void put(Work work, const Branch& from) {
    const std::lock_guard lock(mutex);
    origins.push_back({from.index, work.id});
    work.id = 0;
    waiting.push_back({std::move(work), &new_branch()});
    open.fetch_add(1);
  }

  /** The largest task; waits for one. Returns false when there will be none. */
  bool take(Task& task) {
    idle.fetch_add(1);
    for (;;) {
      if (failed) return false;
      {
        const std::lock_guard lock(mutex);
        if (!waiting.empty()) {
          const auto largest = std::max_element(waiting.begin(), waiting.end(), [](const Task& a, const Task& b) {
            return a.work.trained.size() < b.work.trained.size();
          });
          task = std::move(*largest);
          waiting.erase(largest);
          idle.fetch_sub(1);
          return true;
        }
        if (open == 0) return false;
      }
      std::this_thread::yield();
    }
  }
};

/** The features that take part in a tree, and those of them that its levels and nodes may be split on. */
struct TreeGrower::Features {
  const DatasetView& data;
  const HistogramLayout& layout;
  const Kernels& kernels;
  TreeDraw draw;
  double node_fraction;
  std::vector<int> of_tree;
  std::vector<std::vector<int>> of_level;    // by depth
  std::vector<SearchedFeatures> searched;    // by depth

  Features(const DatasetView& view, const HistogramLayout& histogram, const Kernels& with, const TreeParams& params,
           const TreeDraw& tree_draw)
      : data(view), layout(histogram), kernels(with), draw(tree_draw), node_fraction(params.colsample_bynode) {
    std::vector<int> all(static_cast<size_t>(data.features));
    std::iota(all.begin(), all.end(), 0);
    of_tree = sample_features(all, params.colsample_bytree,
                              {draw.key, draw.round, Purpose::kColsampleByTree, draw.class_index}, kernels);
    const int levels = params.colsample_bylevel < 1 ? params.max_depth : 1;
    for (int depth = 0; depth < levels; ++depth) {
      const Purpose purpose = level_purpose(static_cast<uint32_t>(depth));
      of_level.push_back(sample_features(of_tree, params.colsample_bylevel,
                                         {draw.key, draw.round, purpose, draw.class_index}, kernels));
      searched.emplace_back(data, layout, of_level.back());
    }
  }

  /** Calls use(features) with those that a node may be split on. Nodes that share them get the same object. */
  template <class Use>
  void with_features_of(const Work& work, const Use& use) const {
    const size_t level = searched.size() == 1 ? 0 : static_cast<size_t>(work.depth);
    if (node_fraction >= 1) {
      use(searched[level]);
      return;
    }
    const uint32_t word = node_word(draw.key, work.heap_number, draw.round, draw.class_index);
    const RowDraw keys{draw.key, word, Purpose::kColsampleByNode, draw.class_index};
    use(SearchedFeatures(data, layout, sample_features(of_level[level], node_fraction, keys, kernels)));
  }
};

struct TreeGrower::Call {
  const TreeParams& params;
  const ScoreParams& score;
  const Features& features;
  TreeRows& rows;
  const CancelFlag& cancel;
  Sharing sharing;
  size_t whole_rows = 0;   // nodes of more rows are worked on by all threads together
  bool is_shared = false;  // whether the threads work on subtrees of their own
};

TreeGrower::TreeGrower(const DatasetView& data, const HistogramLayout& layout, const Kernels& kernels)
    : data_(data), layout_(layout), kernels_(kernels), builder_(data, layout), finder_(data, layout, kernels) {}

TreeGrower::~TreeGrower() = default;

void TreeGrower::begin_model() { features_.reset(); }

std::unique_ptr<Histogram> TreeGrower::take_histogram(Workspace& workspace) {
  if (workspace.free.empty()) return std::make_unique<Histogram>();
  std::unique_ptr<Histogram> histogram = std::move(workspace.free.back());
  workspace.free.pop_back();
  return histogram;
}

void TreeGrower::give_back(Workspace& workspace, std::unique_ptr<Histogram> histogram) {
  if (histogram != nullptr) workspace.free.push_back(std::move(histogram));
}

/** Deals the free histograms out evenly: a thread gives back those of its subtrees, which another one may have taken. */
void TreeGrower::level_histograms() {
  std::vector<std::unique_ptr<Histogram>> all;
  for (Workspace& workspace : workspaces_) {
    std::move(workspace.free.begin(), workspace.free.end(), std::back_inserter(all));
    workspace.free.clear();
  }
  for (size_t i = 0; i < all.size(); ++i) workspaces_[i % workspaces_.size()].free.push_back(std::move(all[i]));
}

size_t TreeGrower::kept_histograms() const {
  size_t kept = 0;
  for (const Workspace& workspace : workspaces_) kept += workspace.free.size();
  return kept;
}

Tree TreeGrower::grow(const TreeParams& params, const ScoreParams& score, const TreeDraw& draw,
                      const int64_t* gradients, Packing packing, TreeRows& rows, const Executor& executor,
                      const CancelFlag& cancel) {
  const bool samples = params.colsample_bytree < 1 || params.colsample_bylevel < 1 || params.colsample_bynode < 1;
  if (features_ == nullptr || samples) features_ = std::make_unique<Features>(data_, layout_, kernels_, params, draw);
  const Features& features = *features_;
  builder_.begin_tree(features.of_tree, gradients, packing);
  finder_.begin_tree(params, score, packing);
  const auto threads = static_cast<size_t>(executor.threads());
  if (workspaces_.size() < threads) workspaces_.resize(threads);
  Workspace& workspace = workspaces_[0];
  Call call{params, score, features, rows, cancel, {}, threads == 1 ? 0 : rows.trained / threads, false};

  Work root;
  root.trained = {0, rows.trained};
  root.passengers = {rows.trained, rows.trained + rows.passengers};
  root.histogram = take_histogram(workspace);
  builder_.build(rows.rows.data(), rows.trained, *root.histogram, workspace.scratch, executor, cancel);
  root.node.sums = total(*root.histogram, layout_, data_, features.of_tree.front(), packing);
  if (finder_.is_splittable(root.node.sums)) {
    features.with_features_of(root, [&](const SearchedFeatures& searched) {
      root.split = finder_.find(*root.histogram, searched, root.node);
    });
  }

  Sharing& sharing = call.sharing;
  Branch& tree = sharing.new_branch();
  expand(call, workspace, tree, std::move(root), executor);
  if (!sharing.waiting.empty()) {
    call.is_shared = true;
    executor.parallel_for(threads, [&](size_t, size_t thread) {
      try {
        for (Sharing::Task task; sharing.take(task); sharing.open.fetch_sub(1)) {
          expand(call, workspaces_[thread], *task.branch, std::move(task.work), Executor());
        }
      } catch (...) {
        sharing.failed = true;
        throw;
      }
    });
  }
  if (call.is_shared) level_histograms();
  // A branch comes after the one it belongs to.
  for (size_t b = sharing.branches.size() - 1; b > 0; --b) {
    const Sharing::Origin origin = sharing.origins[b - 1];
    graft(sharing.branches[origin.branch], origin.node, std::move(sharing.branches[b]));
  }
  leaves_ = std::move(tree.leaves);
  return number_breadth_first(std::move(tree));
}

/** Records a node as a leaf and returns its value. */
int32_t TreeGrower::record_leaf(const Call& call, Branch& branch, const Work& work) {
  Node& node = branch.nodes[work.id];
  node.cover = std::ldexp(static_cast<double>(work.node.sums.h), call.score.hessian_unit);
  node.leaf = call.score.bounded
                  ? leaf_of_weight(bounded_weight(work.node.sums, work.node.bounds, call.score), call.score)
                  : leaf_value(work.node.sums, call.score);
  return node.leaf;
}

/** Records a node and all below it, except what is put up for other threads. */
void TreeGrower::expand(Call& call, Workspace& workspace, Branch& branch, Work work, const Executor& executor) {
  if (executor.threads() > 1 && work.split.feature >= 0 && work.trained.size() <= call.whole_rows) {
    call.sharing.put(std::move(work), branch);
    return;
  }
  if (work.split.feature < 0) {
    branch.leaves.push_back({work.trained, work.passengers, {}, {record_leaf(call, branch, work), 0}});
    give_back(workspace, std::move(work.histogram));
    return;
  }
  {
    Node& node = branch.nodes[work.id];
    node.cover = std::ldexp(static_cast<double>(work.node.sums.h), call.score.hessian_unit);
    node.feature = work.split.feature;
    node.split_bin = static_cast<uint8_t>(work.split.categorical ? 0 : work.split.bin);
    node.missing_left = work.split.missing_left ? 1 : 0;
    node.gain = std::ldexp(work.split.gain, 2 * call.score.gradient_unit - call.score.hessian_unit);
    node.left = static_cast<int32_t>(branch.nodes.size());
    if (work.split.categorical) {
      node.cat_index = static_cast<int32_t>(branch.sets.size());
      branch.sets.push_back(work.split.codes);
    }
  }
  call.cancel.check();
  Work left;
  Work right;
  left.id = branch.nodes.size();
  right.id = left.id + 1;
  branch.nodes.resize(branch.nodes.size() + 2);
  left.depth = right.depth = work.depth + 1;
  left.heap_number = 2 * work.heap_number;
  right.heap_number = left.heap_number + 1;
  left.node.sums = work.split.left;
  right.node.sums = work.node.sums - left.node.sums;
  if (call.score.bounded) {
    const WeightBounds& bounds = work.node.bounds;
    const ChildBounds children = child_bounds(bounds, constraint_of(call.params, work.split.feature),
                                              bounded_weight(left.node.sums, bounds, call.score),
                                              bounded_weight(right.node.sums, bounds, call.score));
    left.node.bounds = children.left;
    right.node.bounds = children.right;
  }
  const bool deep = left.depth >= call.params.max_depth;
  const bool search_left = !deep && finder_.is_splittable(left.node.sums);
  const bool search_right = !deep && finder_.is_splittable(right.node.sums);
  if (!search_left && !search_right) {
    branch.leaves.push_back({work.trained,
                             work.passengers,
                             work.split,
                             {record_leaf(call, branch, left), record_leaf(call, branch, right)}});
    give_back(workspace, std::move(work.histogram));
    return;
  }
  Summed summed;
  if (search_left && search_right && builder_.is_large() && work.trained.size() >= kFusedRows) {
    summed.histogram = take_histogram(workspace);
  }
  const auto divide = [&](RowRange range, RowRange& to_left, RowRange& to_right, Summed* sum) {
    const size_t middle = range.begin + partition(call, workspace, work.split, range, executor, sum);
    to_left = {range.begin, middle};
    to_right = {middle, range.end};
  };
  divide(work.trained, left.trained, right.trained, summed.histogram == nullptr ? nullptr : &summed);
  divide(work.passengers, left.passengers, right.passengers, nullptr);
  search_children(call, workspace, std::move(work.histogram), std::move(summed), left, right, executor);
  if (call.is_shared && call.sharing.idle > 0 && right.split.feature >= 0 && right.trained.size() >= kLeastSharedRows) {
    call.sharing.put(std::move(right), branch);
    expand(call, workspace, branch, std::move(left), executor);
    return;
  }
  expand(call, workspace, branch, std::move(left), executor);
  expand(call, workspace, branch, std::move(right), executor);
}

/** Finds the splits of two children and their histograms, as far as they are needed. `histogram` is the parent's. */
void TreeGrower::search_children(Call& call, Workspace& workspace, std::unique_ptr<Histogram> histogram, Summed summed,
                                 Work& left, Work& right, const Executor& executor) {
  const bool deep = left.depth >= call.params.max_depth;
  const bool left_first = summed.histogram == nullptr ? left.trained.size() <= right.trained.size() : summed.left;
  Work& small = left_first ? left : right;
  Work& large = &small == &left ? right : left;
  const bool search_small = !deep && finder_.is_splittable(small.node.sums);
  const bool search_large = !deep && finder_.is_splittable(large.node.sums);
  const bool small_has_few = finder_.is_small(small.trained.size());
  const bool large_has_few = finder_.is_small(large.trained.size());
  const auto build = [&](const Work& work, Histogram& into) {
    builder_.build(call.rows.rows.data() + work.trained.begin, work.trained.size(), into, workspace.scratch, executor,
                   call.cancel);
  };
  const auto search_few = [&](Work& work) {
    std::unique_ptr<Histogram> spare = take_histogram(workspace);
    call.features.with_features_of(work, [&](const SearchedFeatures& searched) {
      work.split = finder_.find_small(builder_, call.rows.rows.data() + work.trained.begin, work.trained.size(), searched,
                                      work.node, *spare);
    });
    give_back(workspace, std::move(spare));
  };
  const auto search_alone = [&](Work& work, std::unique_ptr<Histogram> own) {
    build(work, *own);
    call.features.with_features_of(work, [&](const SearchedFeatures& searched) {
      work.split = finder_.find(*own, searched, work.node);
    });
    work.histogram = std::move(own);
  };
  if (small_has_few && search_small) search_few(small);
  if (large_has_few && search_large) search_few(large);
  if (!search_large || large_has_few) {
    if (search_small && !small_has_few) {
      search_alone(small, std::move(histogram));
    } else {
      give_back(workspace, std::move(histogram));
    }
    return;
  }
  if (small_has_few && !histogram->wide) {
    builder_.subtract_rows(call.rows.rows.data() + small.trained.begin, small.trained.size(), *histogram);
    call.features.with_features_of(large, [&](const SearchedFeatures& searched) {
      large.split = finder_.find(*histogram, searched, large.node);
    });
    large.histogram = std::move(histogram);
    return;
  }
  // One update costs about as much as four cells do when histograms are subtracted.
  if (!search_small &&
      (large.trained.size() - small.trained.size()) * call.features.of_tree.size() * 4 < layout_.cells) {
    search_alone(large, std::move(histogram));
    return;
  }
  const bool search_small_too = search_small && !small_has_few;
  const bool keep = left.depth + 1 < call.params.max_depth;
  std::unique_ptr<Histogram> fresh = std::move(summed.histogram);
  if (fresh == nullptr) {
    fresh = take_histogram(workspace);
    build(small, *fresh);
  }
  call.features.with_features_of(small, [&](const SearchedFeatures& of_small) {
    call.features.with_features_of(large, [&](const SearchedFeatures& of_large) {
      finder_.find_pair(builder_, {small.node, of_small, search_small_too ? &small.split : nullptr}, *fresh,
                        {large.node, of_large, &large.split}, *histogram, large.trained.size(), keep, executor);
    });
  });
  if (search_small_too) {
    small.histogram = std::move(fresh);
  } else {
    give_back(workspace, std::move(fresh));
  }
  large.histogram = std::move(histogram);
}

/**
 * Moves the rows of a range that go left to its front, keeping the order on both sides; returns how many do. With
 * `summed`, sums one child on the way, the smaller one as far as a sample tells.
 */
size_t TreeGrower::partition(const Call& call, Workspace& workspace, const Split& split, RowRange range,
                             const Executor& executor, Summed* summed) {
  if (range.size() == 0) return 0;
  uint8_t table[kMaxCodes];
  const ColumnTest test = column_test(data_, split, table);
  uint32_t* const rows = call.rows.rows.data();
  uint32_t* const scratch = call.rows.scratch.data();
  const size_t pieces = range.size() < kParallelPartition ? 1 : static_cast<size_t>(executor.threads());
  if (summed != nullptr) {
    workspace.scratch.reserve(pieces);
    size_t lefts = 0;
    for (size_t i = 0; i < kSampleRows; ++i) {
      lefts += test.goes_left(rows[range.begin + range.size() * i / kSampleRows]);
    }
    summed->left = 2 * lefts <= kSampleRows;
  }
  if (pieces == 1 && summed == nullptr) {
    const size_t left = partition_piece(call, test, range, nullptr, false);
    std::memcpy(rows + range.begin + left, scratch + range.begin, (range.size() - left) * sizeof(uint32_t));
    return left;
  }
  const auto piece_begin = [&](size_t piece) { return range.begin + range.size() * piece / pieces; };
  std::vector<size_t> left_of(pieces);
  executor.parallel_for(pieces, [&](size_t piece, size_t) {
    const RowRange part{piece_begin(piece), piece_begin(piece + 1)};
    if (summed == nullptr) {
      left_of[piece] = partition_piece(call, test, part, nullptr, false);
      return;
    }
    BuildScratch& own = workspace.scratch;
    HistogramSum sum(builder_, range.size(), piece == 0 ? *summed->histogram : own.sums[piece], own.parts[piece]);
    left_of[piece] = partition_piece(call, test, part, &sum, summed->left);
    sum.finish();
  });
  if (summed != nullptr) builder_.merge(pieces, *summed->histogram, workspace.scratch);
  size_t end = range.begin + left_of[0];
  for (size_t piece = 1; piece < pieces; ++piece) {
    std::memmove(rows + end, rows + piece_begin(piece), left_of[piece] * sizeof(uint32_t));
    end += left_of[piece];
  }
  std::vector<size_t> right_begin(pieces, end);
  for (size_t piece = 1; piece < pieces; ++piece) {
    right_begin[piece] = right_begin[piece - 1] + piece_begin(piece) - piece_begin(piece - 1) - left_of[piece - 1];
  }
  executor.parallel_for(pieces, [&](size_t piece, size_t) {
    const size_t count = piece_begin(piece + 1) - piece_begin(piece) - left_of[piece];
    std::memcpy(rows + right_begin[piece], scratch + piece_begin(piece), count * sizeof(uint32_t));
  });
  return end - range.begin;
}

/** The part of one thread: rows that go left end up at the front of the range, the others in the scratch array. */
size_t TreeGrower::partition_piece(const Call& call, const ColumnTest& test, RowRange range, HistogramSum* sum,
                                   bool sum_left) const {
  uint32_t* const rows = call.rows.rows.data();
  uint32_t* const left = rows + range.begin;
  uint32_t* const right = call.rows.scratch.data() + range.begin;
  if (!builder_.is_large()) return kernels_.partition(test, left, range.size(), left, right);
  size_t lefts = 0;
  size_t rights = 0;
  for (size_t begin = range.begin; begin < range.end; begin += kChunkRows) {
    const size_t count = std::min(kChunkRows, range.end - begin);
    const size_t ahead_begin = begin + count;
    const size_t ahead_count = std::min(kChunkRows, range.end - ahead_begin);
    if (sum == nullptr) test.fetch(rows, ahead_begin, ahead_begin + ahead_count);
    const size_t to_left =
        kernels_.partition(test, rows + begin, count, left + lefts, right + rights);
    if (sum != nullptr) {
      const RowsAhead ahead{rows + ahead_begin, ahead_count};
      if (sum_left) {
        sum->add(left + lefts, to_left, ahead);
      } else {
        sum->add(right + rights, count - to_left, ahead);
      }
    }
    lefts += to_left;
    rights += count - to_left;
  }
  return lefts;
}

/** Puts a subtree in the place of node `id`. */
void TreeGrower::graft(Branch& tree, size_t id, Branch branch) {
  const auto shift = static_cast<int32_t>(tree.nodes.size()) - 1;
  const auto first_set = static_cast<int32_t>(tree.sets.size());
  for (size_t n = 0; n < branch.nodes.size(); ++n) {
    Node node = branch.nodes[n];
    if (node.feature >= 0) node.left += shift;
    if (node.cat_index >= 0) node.cat_index += first_set;
    if (n == 0) {
      tree.nodes[id] = node;
    } else {
      tree.nodes.push_back(node);
    }
  }
  tree.sets.insert(tree.sets.end(), branch.sets.begin(), branch.sets.end());
  tree.leaves.insert(tree.leaves.end(), branch.leaves.begin(), branch.leaves.end());
}

Tree TreeGrower::number_breadth_first(Branch branch) {
  Tree tree;
  tree.nodes.reserve(branch.nodes.size());
  tree.nodes.push_back(branch.nodes[0]);
  for (size_t head = 0; head < tree.nodes.size(); ++head) {
    Node& node = tree.nodes[head];
    if (node.feature < 0) continue;
    const auto left = static_cast<size_t>(node.left);
    node.left = static_cast<int32_t>(tree.nodes.size());
    if (node.cat_index >= 0) {
      tree.cat_sets.push_back(branch.sets[static_cast<size_t>(node.cat_index)]);
      node.cat_index = static_cast<int32_t>(tree.cat_sets.size()) - 1;
    }
    tree.nodes.push_back(branch.nodes[left]);
    tree.nodes.push_back(branch.nodes[left + 1]);
  }
  return tree;
}

}  // namespace lockstep
