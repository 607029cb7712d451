// Shares out the rounds of a batch among threads. Nothing here affects results: the rounds of a job are trained in their
// order, whoever trains them.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

namespace lockstep {

/** Rounds of one job that a thread is to train next; none where there is nothing left for it. */
struct Turn {
  size_t job = 0;
  size_t rounds = 0;
};

/**
 * Turns of a few rounds each, such that all threads end together wherever no single job outlasts the others' even share.
 *
 * A thread goes on with its job, and takes the longest one in waiting when it has finished; it leaves a job unfinished only for
 * one that would outlast the rest if it waited any longer. So jobs change threads as seldom as in McNaughton's
 * schedule ("Scheduling with deadlines and loss functions", Management Science 6, 1959), which is the shortest, but
 * durations need not be known beforehand: each turn tells how long its rounds take. For any number of threads.
 */
class TurnQueue {
 public:
  /** seconds: expected time of a round, one for each job; all jobs have the same number of rounds before them. */
  TurnQueue(const std::vector<double>& seconds, size_t rounds, size_t threads);

  /** The first turn of a thread. */
  Turn first();

  /** The next turn of the thread that had one of `job`, whose rounds took `seconds` each. */
  Turn next(size_t job, double seconds);

  /** Ends a job before its last round. */
  void drop(size_t job);

  /** Ends all of them: whoever asks gets nothing. */
  void close();

 private:
  struct Waiting {
    double seconds;  // a round
    size_t rounds;   // not yet handed out
    bool taken;
    double left() const { return seconds * static_cast<double>(rounds); }
  };

  struct Outlook {
    size_t longest;  // of the jobs that no thread has; the number of jobs where there is none
    double all;      // seconds of all rounds not yet handed out
  };

  Turn hand_out(size_t job);
  Outlook look() const;

  std::mutex mutex_;
  std::vector<Waiting> jobs_;
  double threads_;
};

}  // namespace lockstep
