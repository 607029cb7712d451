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
  return hand_out(look().longest);
}

Turn TurnQueue::next(size_t job, double seconds) {
  const std::lock_guard lock(mutex_);
  Waiting& own = jobs_[job];
  own.seconds = seconds;
  own.taken = false;
  const Outlook outlook = look();
  if (own.rounds == 0) return hand_out(outlook.longest);
  const double left = jobs_[outlook.longest].left();
  const bool is_critical = left > own.left() && left + 2 * std::max(kTurn, seconds) >= outlook.all / threads_;
  return hand_out(is_critical ? outlook.longest : job);
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

TurnQueue::Outlook TurnQueue::look() const {
  Outlook outlook{jobs_.size(), 0};
  double most = -1;
  for (size_t job = 0; job < jobs_.size(); ++job) {
    const double left = jobs_[job].left();
    outlook.all += left;
    if (jobs_[job].taken || jobs_[job].rounds == 0 || left <= most) continue;
    outlook.longest = job;
    most = left;
  }
  return outlook;
}

}  // namespace lockstep
