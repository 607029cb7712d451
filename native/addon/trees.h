// TreeEnsemble of src/engine/engine.ts to and from the engine's trees.
#pragma once

#include <napi.h>

#include "cpu/data.h"

namespace lockstep::addon {

/** The trees of the first `rounds` rounds as flat typed arrays. */
Napi::Object to_flat_trees(Napi::Env env, const Ensemble& ensemble, size_t rounds);

/** Checks that every node is within bounds and below its parent, so that routing a row always ends. */
Ensemble from_flat_trees(const Napi::Object& flat, int features);

}  // namespace lockstep::addon
