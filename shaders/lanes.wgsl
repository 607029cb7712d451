// What the invocations of a workgroup reckon together: first within subgroups, then through workgroup memory. All sums are
// exact, so nothing depends on what a subgroup is. Calls must be uniform.

/** Two buffers of a scan. */
var<workgroup> totals: array<vec4<u32>, 2u * LANES>;

/** Pairs of 64-bit integers. */
fn add_pairs(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
  return vec4<u32>(wide_add(a.xy, b.xy), wide_add(a.zw, b.zw));
}

/**
 * The sum of the pairs of the lanes before this one. Between two calls there must be a barrier.
 * @param subgroups Those that count: at least one for each that has a lane whose result is used, at most all.
 */
fn pairs_before(place: Place, subgroups: u32, pair: vec4<u32>) -> vec4<u32> {
  let through = subgroup_pairs_through(pair);
  if (place.is_last) { totals[place.subgroup] = through; }
  workgroupBarrier();
  var buffer = 0u;
  for (var step = 1u; step < subgroups; step <<= 1u) {
    if (place.lane < subgroups) {
      var total = totals[buffer + place.lane];
      if (place.lane >= step) { total = add_pairs(total, totals[buffer + place.lane - step]); }
      totals[LANES - buffer + place.lane] = total;
    }
    buffer = LANES - buffer;
    workgroupBarrier();
  }
  var before = vec4<u32>(wide_sub(through.xy, pair.xy), wide_sub(through.zw, pair.zw));
  if (place.subgroup > 0u) { before = add_pairs(before, totals[buffer + place.subgroup - 1u]); }
  return before;
}

var<workgroup> reserved: atomic<u32>;

/** The first of `count` places that nobody else has, counted by `reserved`. */
fn reserve(count: u32) -> u32 {
  let before = subgroup_sum_before(count);
  let sum = subgroup_sum(count);
  var first = 0u;
  if (subgroup_leads() && sum != 0u) { first = atomicAdd(&reserved, sum); }
  return subgroup_first(first) + before;
}

var<workgroup> greatest: array<atomic<u32>, 3>;

/** The greatest value of the workgroup; each call of a kernel has its own of three slots. */
fn max_of_lanes(slot: u32, value: u32) -> u32 {
  let most = subgroup_max(value);
  if (subgroup_leads()) { atomicMax(&greatest[slot], most); }
  workgroupBarrier();
  return atomicLoad(&greatest[slot]);
}

/** For three slots: sums of 16 bits of each word, the low half first. */
var<workgroup> halves: array<atomic<u32>, 24>;

fn add_halves(slot: u32, words: vec4<u32>) {
  let low = subgroup_sums(words & vec4<u32>(0xffffu));
  let high = subgroup_sums(words >> vec4<u32>(16u));
  if (!subgroup_leads()) { return; }
  for (var k = 0u; k < 4u; k++) {
    if (low[k] != 0u) { atomicAdd(&halves[8u * slot + 2u * k], low[k]); }
    if (high[k] != 0u) { atomicAdd(&halves[8u * slot + 2u * k + 1u], high[k]); }
  }
}

/** The words that halves make, with carries. */
fn join_halves(slot: u32, is_pair: bool) -> vec4<u32> {
  var words: vec4<u32>;
  var carry = 0u;
  for (var k = 0u; k < 4u; k++) {
    if (is_pair && k == 2u) { carry = 0u; }
    let low = atomicLoad(&halves[8u * slot + 2u * k]) + carry;
    let high = atomicLoad(&halves[8u * slot + 2u * k + 1u]) + (low >> 16u);
    words[k] = (low & 0xffffu) | (high << 16u);
    carry = high >> 16u;
  }
  return words;
}

/** The sum over the workgroup of a pair of 64-bit integers, or of one of 128 bits; each call has its own of three slots. */
fn sum_of_lanes(slot: u32, words: vec4<u32>, is_pair: bool) -> vec4<u32> {
  add_halves(slot, words);
  workgroupBarrier();
  return join_halves(slot, is_pair);
}
