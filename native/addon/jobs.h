// Data sets, jobs and scores as JavaScript passes them: what the addons of all native engines share.
#pragma once

#include <napi.h>

#include <initializer_list>
#include <vector>

#include "addon/values.h"
#include "cpu/batch.h"
#include "cpu/data.h"

namespace lockstep::addon {

/** {bins, rows, stride, featureBins, categorical, label, weight?}, checked; the arrays are borrowed. */
DatasetView dataset_view(const Napi::Object& from);

/** Jobs as src/engine/engine.ts has them. */
std::vector<JobSpec> job_specs(const Napi::Value& value, const DatasetView& data);

/** Numbers of jobs, each below `jobs`. */
std::vector<size_t> job_list(const Napi::Value& value, size_t jobs);
size_t job_number(const Napi::Value& value, size_t jobs);

/** At least 1. */
size_t round_count(const Napi::Value& value);
/** The rounds of which trees are wanted: all where there is no number. */
size_t round_limit(const Napi::Value& value);

/** {job, firstRound, rounds: Uint32Array, values: Float64Array}: values job by job, then round by round. */
Napi::Object to_scores(Napi::Env env, const std::vector<JobScores>& scores);

/** References that keep JavaScript values alive while native work reads their memory. */
std::vector<Napi::ObjectReference> keep(std::initializer_list<Napi::Object> objects);

}  // namespace lockstep::addon
