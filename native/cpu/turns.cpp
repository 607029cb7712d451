#include "cpu/turns.h"

#include <algorithm>
#include <cmath>

namespace lockstep {
namespace {

/** How long a turn should be, in seconds: long beside the hand-out, short beside a call. */
constexpr double kTurn = 1e-4;

}  // namespace

TurnQueue::TurnQueue(const std::vector<double>& seconds, size_t rounds, size_t threads)
    : threads_(static_cast<double>(threads)) {
  for (const double job : seconds) jobs_.push_back({job, rounds, false});
}

Turn TurnQueue::first() {
  const std::lock_guard lock(mutex_);
  return hand_out(longest_waiting());
}

Turn TurnQueue::next(const Turn& done, double seconds) {
  const std::lock_guard lock(mutex_);
  Waiting& own = jobs_[done.job];
  own.seconds = seconds / static_cast<double>(done.rounds);
  own.taken = false;
  if (own.rounds == 0) return hand_out(longest_waiting());
  const size_t longest = longest_waiting();
  double all = 0;
  for (const Waiting& job : jobs_) all += job.left();
  const double left = jobs_[longest].left();
  const bool is_critical = left > own.left() && left + 2 * std::max(kTurn, own.seconds) >= all / threads_;
  return hand_out(is_critical ? longest : done.job);
}

void TurnQueue::drop(size_t job) {
  const std::lock_guard lock(mutex_);
  jobs_[job].rounds = 0;
}

void TurnQueue::close() {
  const std::lock_guard lock(mutex_);
  for (Waiting& job : jobs_) job.rounds = 0;
}

Turn TurnQueue::hand_out(size_t job) {
  if (job == jobs_.size()) return {};
  Waiting& waiting = jobs_[job];
  const double fitting = std::ceil(kTurn / std::max(waiting.seconds, kTurn / 1e6));
  const size_t rounds = std::min(waiting.rounds, static_cast<size_t>(fitting));
  waiting.rounds -= rounds;
  waiting.taken = true;
  return {job, rounds};
}

/** The number of jobs where none waits. */
size_t TurnQueue::longest_waiting() const {
  size_t longest = jobs_.size();
  for (size_t job = 0; job < jobs_.size(); ++job) {
    if (jobs_[job].taken || jobs_[job].rounds == 0) continue;
    if (longest == jobs_.size() || jobs_[job].left() > jobs_[longest].left()) longest = job;
  }
  return longest;
}

}  // namespace lockstep
