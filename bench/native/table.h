// The file that bench/native/README.md describes, and a hash of trees.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpu/aligned.h"
#include "cpu/data.h"

namespace lockstep::bench {

struct Table {
  AlignedBuffer<uint8_t> bins;
  std::vector<float> label;
  DatasetView view;
  size_t train = 0;
  bool binary = true;
};

template <class T>
std::vector<T> read_array(std::ifstream& file, size_t count) {
  std::vector<T> values(count);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(count * sizeof(T)));
  if (!file) throw std::runtime_error("the file is too short");
  return values;
}

inline Table read_table(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const auto head = read_array<char>(file, 8);
  if (std::memcmp(head.data(), "LSBENCH1", 8) != 0) throw std::runtime_error(path + " is not a bench table");
  const auto numbers = read_array<uint32_t>(file, 6);  // rows, training rows, features, stride, binary, reserved
  Table table;
  table.view.rows = numbers[0];
  table.train = numbers[1];
  table.view.features = static_cast<int>(numbers[2]);
  table.view.stride = numbers[3];
  table.binary = numbers[4] != 0;
  for (const int32_t bins : read_array<int32_t>(file, numbers[2])) table.view.feature_bins.push_back(bins);
  for (const int32_t c : read_array<int32_t>(file, numbers[2])) table.view.categorical.push_back(c != 0);
  table.label = read_array<float>(file, numbers[0]);
  const size_t bytes = size_t{numbers[0]} * numbers[3];
  table.bins.reserve(bytes);
  if (!file.read(reinterpret_cast<char*>(table.bins.data()), static_cast<std::streamsize>(bytes))) {
    throw std::runtime_error("the file is too short");
  }
  table.view.label = table.label.data();
  table.view.bins = table.bins.data();
  return table;
}

/** Random codes of 255 bins, and two classes that depend on some of them; seven eighths of the rows are for training. */
inline Table synthetic_table(size_t rows, size_t features) {
  Table table;
  table.view.rows = rows;
  table.train = rows - rows / 8;
  table.view.features = static_cast<int>(features);
  table.view.stride = features;
  table.view.feature_bins.assign(features, 255);
  table.view.categorical.assign(features, 0);
  table.bins.reserve(rows * features);
  uint64_t state = 88172645463325252u;
  for (size_t row = 0; row < rows; ++row) {
    uint8_t* codes = table.bins.data() + row * features;
    int sum = 0;
    for (size_t f = 0; f < features; ++f) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      codes[f] = static_cast<uint8_t>(1 + (state >> 32) % 255);
      if (f % 3 == 0) sum += codes[f] > 128 ? codes[f] : codes[f] / 2;
    }
    const auto noise = static_cast<int>(state >> 20 & 255) - 128;
    const auto middle = static_cast<int>((features + 2) / 3 * 112);
    table.label.push_back(sum + noise > middle ? 1.0f : 0.0f);
  }
  table.view.label = table.label.data();
  table.view.bins = table.bins.data();
  return table;
}

/** The table of a file, or a synthetic one: synthetic:ROWSxFEATURES. */
inline Table table_of(const std::string& name) {
  const std::string prefix = "synthetic:";
  if (name.compare(0, prefix.size(), prefix) != 0) return read_table(name);
  const size_t cross = name.find('x', prefix.size());
  if (cross == std::string::npos) throw std::runtime_error("a synthetic table is named synthetic:ROWSxFEATURES");
  return synthetic_table(std::stoul(name.substr(prefix.size())), std::stoul(name.substr(cross + 1)));
}

inline JobSpec job_of(const Table& table, const std::string& metric, int depth) {
  JobSpec job;
  job.params.objective = table.binary ? Objective::kLogistic : Objective::kSquaredError;
  job.params.max_depth = depth;
  job.params.learning_rate = 0.1;
  job.rows = {0, table.train, nullptr};
  job.evals = {job.rows, {table.train, table.view.rows, nullptr}};
  if (metric == "auc") job.metrics = {Metric::kAucRoc};
  if (metric == "logloss") job.metrics = {Metric::kLogloss};
  if (metric == "rmse") job.metrics = {Metric::kRmse};
  return job;
}

/** A hash of all trees, to see at a glance whether two runs agree. */
inline uint64_t hash_of(const Ensemble& ensemble) {
  uint64_t hash = 1469598103934665603u;
  const auto add = [&](uint64_t x) { hash = (hash ^ x) * 1099511628211u; };
  for (const Tree& tree : ensemble.trees) {
    for (const Node& node : tree.nodes) {
      add(static_cast<uint32_t>(node.feature));
      add(static_cast<uint32_t>(node.split_bin));
      add(static_cast<uint32_t>(node.leaf));
      add(node.missing_left);
      if (node.cat_index < 0) continue;
      for (const uint32_t word : tree.cat_sets[static_cast<size_t>(node.cat_index)].word) add(word);
    }
  }
  return hash;
}

}  // namespace lockstep::bench
