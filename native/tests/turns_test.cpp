// The schedule of rounds, by simulation: threads that take as long as they are told.
#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

#include "cpu/turns.h"
#include "tests/check.h"
#include "tests/random.h"

namespace {

using namespace lockstep;

struct Outcome {
  double end = 0;
  size_t changes = 0;  // jobs taken up by a thread
};

/** Runs a queue; checks that each job gets its rounds, from one thread at a time. */
Outcome simulate(const std::vector<double>& expected, const std::vector<double>& seconds, size_t rounds,
                 size_t threads) {
  TurnQueue queue(expected, rounds, threads);
  struct Thread {
    Turn turn;
    double free = 0;
  };
  std::vector<Thread> all(threads);
  std::vector<size_t> left(seconds.size(), rounds);
  std::vector<bool> busy(seconds.size(), false);
  Outcome outcome;
  const auto begin = [&](Thread& thread, const Turn& turn) {
    if (turn.rounds > 0) {
      CHECK(!busy[turn.job] && turn.rounds <= left[turn.job]);
      busy[turn.job] = true;
      left[turn.job] -= turn.rounds;
      outcome.changes += thread.turn.rounds == 0 || thread.turn.job != turn.job;
      thread.free += static_cast<double>(turn.rounds) * seconds[turn.job];
    }
    thread.turn = turn;
  };
  for (Thread& thread : all) begin(thread, queue.first());
  for (;;) {
    Thread* next = nullptr;
    for (Thread& thread : all) {
      if (thread.turn.rounds > 0 && (next == nullptr || thread.free < next->free)) next = &thread;
    }
    if (next == nullptr) break;
    busy[next->turn.job] = false;
    outcome.end = std::max(outcome.end, next->free);
    begin(*next, queue.next(next->turn.job, seconds[next->turn.job]));
  }
  CHECK(std::all_of(left.begin(), left.end(), [](size_t rest) { return rest == 0; }));
  return outcome;
}

/** wrong: whether expected durations are off by up to a factor of two. */
void threads_end_together_unless_one_job_outlasts_their_share(bool wrong) {
  Random random(1);
  for (int repeat = 0; repeat < 300; ++repeat) {
    const size_t threads = 1 + random.below(8);
    const size_t jobs = 1 + random.below(60);
    const size_t rounds = 1 + random.below(60);
    std::vector<double> expected;
    std::vector<double> seconds;
    for (size_t job = 0; job < jobs; ++job) {
      seconds.push_back(1e-5 * (1 + random.below(200)));
      expected.push_back(seconds.back() * (wrong ? 0.5 + 1.5 * random.unit() : 1.0));
    }
    const double all = std::accumulate(seconds.begin(), seconds.end(), 0.0) * static_cast<double>(rounds);
    const double longest = *std::max_element(seconds.begin(), seconds.end());
    const double least = std::max(all / static_cast<double>(threads), longest * static_cast<double>(rounds));
    const double end = simulate(expected, seconds, rounds, threads).end;
    CHECK(end >= least * 0.999);
    CHECK(end <= least * (wrong ? 1.25 : 1.0) + 2 * std::max(longest, 1e-4));
  }
}

void jobs_change_threads_seldom() {
  const std::vector<double> forty(40, 1e-3);
  CHECK(simulate(forty, forty, 25, 2).changes <= 44);
  const std::vector<double> five(5, 1e-3);
  const Outcome odd = simulate(five, five, 25, 2);
  CHECK(odd.changes <= 12);
  CHECK(odd.end <= 65e-3);
}

void dropped_and_closed_jobs_are_handed_out_no_more() {
  TurnQueue queue({1e-3, 2e-3, 3e-3}, 10, 2);
  const Turn first = queue.first();
  CHECK(first.job == 2 && first.rounds == 1);
  queue.drop(2);
  const Turn second = queue.next(first.job, 3e-3);
  CHECK(second.job == 1);
  queue.close();
  CHECK(queue.first().rounds == 0 && queue.next(second.job, 2e-3).rounds == 0);
}

}  // namespace

void test_turns() {
  threads_end_together_unless_one_job_outlasts_their_share(false);
  threads_end_together_unless_one_job_outlasts_their_share(true);
  jobs_change_threads_seldom();
  dropped_and_closed_jobs_are_handed_out_no_more();
}
