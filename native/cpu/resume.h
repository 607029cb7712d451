// Going on with a job after trees that were trained before, by any engine.
#pragma once

#include "cpu/data.h"

namespace lockstep {

/**
 * Puts the trees of job.resume, if there are any, into the ensemble of a job that has none yet. Throws std::invalid_argument
 * where they cannot be the job's own: another base, scale or number of classes, or a round that is not whole.
 */
void take_up_trees(const DatasetView& data, const JobSpec& job, Ensemble& ensemble);

}  // namespace lockstep
