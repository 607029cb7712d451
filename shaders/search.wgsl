// The best split of each node over a chunk of features. A binary32 interval around each score discards nearly all
// candidates; those that may be the best are scored in exact binary64, so the decision is exact (docs/webgpu-engine.md).
// An invocation has OWN neighbouring codes of a feature.
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> units: array<u32>;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> nodes: array<u32>;
@group(0) @binding(4) var<storage, read> tables: array<u32>;
@group(0) @binding(5) var<storage, read> masks: array<u32>;
@group(0) @binding(6) var<storage, read_write> cells: array<vec4<u32>>;
@group(0) @binding(7) var<storage, read_write> results: array<u32>;

const LANES = SEARCH_LANES;
const OWN = 256u / LANES;

var<workgroup> sums: array<vec4<u32>, 256>;
var<workgroup> keys: array<vec2<u32>, 256>;
var<workgroup> threshold: atomic<u32>;
var<workgroup> present: atomic<u32>;
var<workgroup> missing_cell: vec4<u32>;

struct Candidate {
  left: Sums,
  feature: u32,
  place: u32,  // bin and, at bit 8, missing to the left
  reach: f32,  // upper end of the interval
}

struct Best {
  score: Wide,
  left: Sums,
  feature: u32,
  place: u32,
}

var<private> constants: Constants;
var<private> bounds: Bounds;
var<private> node_sums: Sums;
var<private> lambda32: f32;
var<private> alpha32: f32;
var<private> filtered: bool;
var<private> unit_index: u32;
var<private> pending: Candidate;
var<private> best: Best;

fn to_f32(a: Wide) -> f32 { return f32(a.y) * 4294967296.0 + f32(a.x); }

/** The less, the earlier a place comes in the order of ties, features being equal: bins first, then missing to the left. */
fn tie_rank(place: u32) -> u32 { return ((place & 0xffu) << 1u) | (1u - (place >> 8u)); }

fn score_exactly(candidate: Candidate) {
  var sides: array<Evaluation, 2>;
  for (var side = 0u; side < 2u; side++) {
    var sums = candidate.left;
    if (side == 1u) { sums = sums_sub(node_sums, candidate.left); }
    sides[side] = evaluate(sums, bounds, constants, true);
  }
  let constraint = constraint_of(unit_index, candidate.feature);
  if (!is_monotone(constraint, sides[0].weight, sides[1].weight)) { return; }
  let score = f64_key(f64_add(sides[0].score, sides[1].score));
  if (best.feature != NONE) {
    if (wide_less(score, best.score)) { return; }
    if (all(score == best.score)) {
      if (best.feature < candidate.feature) { return; }
      if (best.feature == candidate.feature && tie_rank(best.place) < tie_rank(candidate.place)) { return; }
    }
  }
  best = Best(score, candidate.left, candidate.feature, candidate.place);
}

/** The ends of an interval that holds S of these sums; relative errors below are at most 2^−19. */
fn interval(s: Sums) -> vec2<f32> {
  let g = to_f32(wide_magnitude(s.g));
  var t = vec2<f32>(g, g);
  if (alpha32 > 0.0) {
    let slack = (g + alpha32) * 0x1p-20;
    t = max(vec2<f32>(g - alpha32 - slack, g - alpha32 + slack), vec2<f32>(0.0, 0.0));
  }
  return t * t / (to_f32(s.h) + lambda32) * vec2<f32>(1.0 - 0x1p-17, 1.0 + 0x1p-17);
}

/** What becomes of a candidate: it waits in `pending`, and what waited there is returned to be scored, if it must be. */
fn consider(left: Sums, feature: u32, place: u32) -> Candidate {
  var scored: Candidate;
  scored.feature = NONE;
  let right = sums_sub(node_sums, left);
  if (wide_less(left.h, constants.least_hessian) || wide_less(right.h, constants.least_hessian)) { return scored; }
  if (!filtered) { return Candidate(left, feature, place, 0.0); }
  var range = vec2<f32>(0.0, 0.0);
  for (var side = 0u; side < 2u; side++) {
    var sums = left;
    if (side == 1u) { sums = right; }
    range += interval(sums);
  }
  let reach = range.y * (1.0 + 0x1p-20);
  let bar = bitcast<f32>(atomicLoad(&threshold));
  if (reach < bar) { return scored; }
  atomicMax(&threshold, bitcast<u32>(range.x * (1.0 - 0x1p-20)));
  if (pending.feature != NONE && pending.reach >= bar) { scored = pending; }
  pending = Candidate(left, feature, place, reach);
  return scored;
}

fn sums_of(cell: vec4<u32>) -> Sums { return Sums(cell.xy, cell.zw); }

fn is_searched(u: u32, node: u32, feature: u32) -> bool {
  if (unit(u, UNIT_DRAWS) == 0u) { return true; }
  let words = (pass_.features + 31u) / 32u;
  return ((masks[((u - pass_.first) * pass_.width + node) * words + feature / 32u] >> (feature % 32u)) & 1u) != 0u;
}

/** Puts the present codes of a categorical feature in the order of their ratios, from place 1 on. */
fn rank(lane: u32, codes: u32, own: ptr<function, array<vec4<u32>, OWN>>) {
  if (lane == 0u) { atomicStore(&present, 0u); }
  workgroupBarrier();
  for (var k = 0u; k < OWN; k++) {
    let code = lane * OWN + k;
    let mine = sums_of((*own)[k]);
    var key = Wide(NONE, NONE);
    if (code > 0u && code < codes && !sums_empty(mine)) {
      atomicAdd(&present, 1u);
      key = f64_key(F64_ZERO);
      if (!wide_less(mine.h, constants.least_hessian)) {
        key = f64_key(f64_div(f64_of_signed(mine.g), denominator(mine, constants)));
      }
    }
    keys[code] = key;
    sums[code] = vec4<u32>(0u);
  }
  workgroupBarrier();
  for (var k = 0u; k < OWN; k++) {
    let code = lane * OWN + k;
    let key = keys[code];
    if (key.y == NONE) { continue; }
    var place = 1u;
    for (var other = 1u; other < codes; other++) {
      let theirs = keys[other];
      if (wide_less(theirs, key) || (all(theirs == key) && other < code)) { place++; }
    }
    sums[place] = (*own)[k];
  }
  workgroupBarrier();
  for (var k = 0u; k < OWN; k++) { (*own)[k] = sums[lane * OWN + k]; }
}

/** Makes inclusive sums of the invocations' cells, of which the first `codes` count. */
fn scan(place: Place, subgroups: u32, codes: u32, own: ptr<function, array<vec4<u32>, OWN>>) {
  for (var k = 1u; k < OWN; k++) { (*own)[k] = add_pairs((*own)[k - 1u], (*own)[k]); }
  let before = pairs_before(place, min(subgroups, (codes + OWN - 1u) / OWN), (*own)[OWN - 1u]);
  for (var k = 0u; k < OWN; k++) { (*own)[k] = add_pairs((*own)[k], before); }
}

@compute @workgroup_size(LANES)
fn search(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
  let u = group.y + pass_.first;
  let level_end = state[u * STATE_STRIDE + STATE_LEVEL_END];
  let id = state[u * STATE_STRIDE + STATE_LEVEL_START] + pass_.start + group.x;
  if (id >= level_end) { return; }
  if (pass_.depth >= unit(u, UNIT_DEPTH)) { return; }
  let node = (unit(u, UNIT_NODES) + id) * NODE_STRIDE;
  unit_index = u;
  let own_constants = constants_of(u, shift_of(state[u * STATE_STRIDE + STATE_RANGE]));
  let own_sums = Sums(Wide(nodes[node + NODE_SUMS], nodes[node + NODE_SUMS + 1u]),
                      Wide(nodes[node + NODE_SUMS + 2u], nodes[node + NODE_SUMS + 3u]));
  if (wide_less(own_sums.h, wide_shl(own_constants.least_hessian, 1u))) { return; }
  let own_place = place_of(index);
  let lane = own_place.lane;
  let subgroups = subgroups_in_all();
  constants = own_constants;
  node_sums = own_sums;
  bounds = Bounds(Wide(nodes[node + NODE_LOW], nodes[node + NODE_LOW + 1u]),
                  Wide(nodes[node + NODE_HIGH], nodes[node + NODE_HIGH + 1u]));
  filtered = unit(u, UNIT_FILTERED) != 0u;
  if (filtered) {
    lambda32 = bitcast<f32>(unit(u, UNIT_LAMBDA32));
    alpha32 = bitcast<f32>(unit(u, UNIT_ALPHA32)) * bitcast<f32>((127u - shift_of(state[u * STATE_STRIDE + STATE_RANGE])) << 23u);
  }
  best.feature = NONE;
  pending.feature = NONE;
  if (lane == 0u) { atomicStore(&threshold, 0u); }
  let direct = pass_.direct != 0u;
  let own_cells = (unit(u, UNIT_SLOTS) + select(nodes[node + NODE_SLOT], group.x, direct)) * pass_.cells;
  let minus = select(nodes[node + NODE_MINUS], NONE, direct);
  let minus_cells = (unit(u, UNIT_SLOTS) + minus) * pass_.cells;
  let onehot = unit(u, UNIT_ONEHOT);
  let most = unit(u, UNIT_CAT_THRESHOLD);
  let first = group.z * pass_.chunk;
  let end = min(first + pass_.chunk, pass_.features);
  // One turn more than there are features: in it, what still waits is scored.
  for (var f = first; f <= end; f++) {
    var own: array<vec4<u32>, OWN>;
    var missing = Sums(Wide(0u, 0u), Wide(0u, 0u));
    var codes = 0u;
    var count = 0u;
    var categorical = false;
    var by_order = false;
    if (f < end) {
      let descriptor = FEATURES + f * 4u;
      let first_cell = tables[descriptor];
      codes = tables[descriptor + 1u];
      categorical = tables[descriptor + 2u] != 0u;
      by_order = categorical && codes - 1u >= onehot;
      for (var k = 0u; k < OWN; k++) {
        let code = lane * OWN + k;
        own[k] = vec4<u32>(0u);
        if (code >= codes) { continue; }
        own[k] = cells[own_cells + first_cell + code];
        if (minus != NONE) {
          let other = cells[minus_cells + first_cell + code];
          own[k] = vec4<u32>(wide_sub(own[k].xy, other.xy), wide_sub(own[k].zw, other.zw));
          cells[own_cells + first_cell + code] = own[k];
        }
      }
      if (!is_searched(u, pass_.start + group.x, f)) { continue; }
      if (lane == 0u) {
        missing_cell = own[0];
        own[0] = vec4<u32>(0u);
        atomicStore(&present, codes);
      }
      if (by_order) { rank(lane, codes, &own); }
      if (!categorical || by_order) {
        scan(own_place, subgroups, codes, &own);
      } else {
        workgroupBarrier();
      }
      missing = sums_of(missing_cell);
      count = atomicLoad(&present);
    }
    for (var turn = 0u; turn < 2u * OWN; turn++) {
      var scored: Candidate;
      if (f == end) {
        if (turn > 0u || pending.feature == NONE) { break; }
        scored = pending;
        if (pending.reach < bitcast<f32>(atomicLoad(&threshold))) { break; }
      } else {
        let left = sums_of(own[turn / 2u]);
        let code = lane * OWN + turn / 2u;
        var offered = false;
        if (!categorical) {
          offered = code + 1u < codes;
        } else if (by_order) {
          offered = code < count && (code <= most || count - code <= most);
        } else {
          offered = code < codes && !sums_empty(left);
        }
        // With no code to the left there is one candidate: only the missing go left.
        if (code == 0u) { offered = !sums_empty(missing) && turn == 0u; }
        if (!offered) { continue; }
        var candidate = left;
        var place = code;
        if (sums_empty(missing)) {
          if (turn % 2u == 1u) { continue; }
          place |= select(0x100u, 0u, wide_less(left.h, sums_sub(node_sums, left).h));
        } else if (turn % 2u == 0u) {
          candidate = sums_add(left, missing);
          place |= 0x100u;
        }
        scored = consider(candidate, f, place);
      }
      if (scored.feature != NONE) { score_exactly(scored); }
    }
    workgroupBarrier();
  }
  // The best of all lanes; keys of scores are above 0.
  let exists = best.feature != NONE;
  let high = max_of_lanes(0u, select(0u, best.score.y, exists));
  let is_high = exists && best.score.y == high;
  let low = max_of_lanes(1u, select(0u, best.score.x, is_high));
  let rank_of_best = NONE - (((best.feature - first) << 9u) | tie_rank(best.place));
  let own_rank = select(0u, rank_of_best, is_high && best.score.x == low);
  let greatest_rank = max_of_lanes(2u, own_rank);
  let at = (((u - pass_.first) * pass_.width + pass_.start + group.x) * pass_.chunks + group.z) * RESULT_STRIDE;
  if (greatest_rank == 0u) {
    if (lane == 0u) { results[at + 2u] = NONE; }
  } else if (own_rank == greatest_rank) {
    results[at] = best.score.x;
    results[at + 1u] = best.score.y;
    results[at + 2u] = best.feature;
    results[at + 3u] = best.place;
    results[at + 4u] = best.left.g.x;
    results[at + 5u] = best.left.g.y;
    results[at + 6u] = best.left.h.x;
    results[at + 7u] = best.left.h.y;
  }
}
