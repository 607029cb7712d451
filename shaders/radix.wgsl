// Sorts rankings by a digit of eight bits, the lowest first, counted from the least offset: as many digits as the range of
// the offsets needs. Workgroups count the digits of their tile, then a ranking's counts become places, and rows move there.
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> scores: array<u32>;
@group(0) @binding(2) var<storage, read> ranges: array<u32>;
@group(0) @binding(3) var<storage, read_write> digits: array<u32>;
@group(0) @binding(4) var<storage, read_write> ranked: array<vec2<u32>>;

const LANES = 256u;

var<workgroup> counted: array<atomic<u32>, 256>;
var<workgroup> places: array<u32, 256>;
/** By word, then digit: the invocations of a chunk whose row has that digit. */
var<workgroup> owners: array<atomic<u32>, 2048>;

/** Whether the rows of a ranking move by the digit of the pass. */
fn is_sorted_by(r: u32) -> bool { return pass_.digit < digits_of(r); }

fn digit_at(r: u32, row: u32) -> u32 { return ((ranked[row].x - lowest_of(r)) >> (8u * pass_.digit)) & 0xffu; }

fn place_of_digits(r: u32, tile: u32) -> u32 { return (rank_field(r, RANK_TILES) + tile) * 256u; }

@compute @workgroup_size(LANES)
fn count_digits(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let r = pass_.first + group.y;
  let begin = group.x * RANK_TILE;
  let end = min(begin + RANK_TILE, rank_rows(r));
  if (begin >= end || !is_sorted_by(r)) { return; }
  atomicStore(&counted[lane], 0u);
  workgroupBarrier();
  let rows = rows_before(r, pass_.digit);
  for (var i = begin + lane; i < end; i += 256u) { atomicAdd(&counted[digit_at(r, rows + i)], 1u); }
  workgroupBarrier();
  digits[place_of_digits(r, group.x) + lane] = atomicLoad(&counted[lane]);
}

/** One workgroup a ranking, an invocation a digit. */
@compute @workgroup_size(LANES)
fn place_digits(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
  let own_place = place_of(index);
  let subgroups = subgroups_in_all();
  let r = pass_.first + group.x;
  if (!is_sorted_by(r)) { return; }
  let tiles = (rank_rows(r) + RANK_TILE - 1u) / RANK_TILE;
  let first = place_of_digits(r, 0u) + own_place.lane;
  var count = 0u;
  for (var tile = 0u; tile < tiles; tile++) { count += digits[first + tile * 256u]; }
  var place = pairs_before(own_place, subgroups, vec4<u32>(count, 0u, 0u, 0u)).x;
  // Reading eight tiles before writing any hides most of the memory's latency.
  for (var tile = 0u; tile < tiles; tile += 8u) {
    var own: array<u32, 8>;
    for (var k = 0u; k < 8u; k++) {
      if (tile + k < tiles) { own[k] = digits[first + (tile + k) * 256u]; }
    }
    for (var k = 0u; k < 8u; k++) {
      if (tile + k < tiles) { digits[first + (tile + k) * 256u] = place; }
      place += own[k];
    }
  }
}

/** Rows of equal digits keep their order. */
@compute @workgroup_size(LANES)
fn scatter(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let r = pass_.first + group.y;
  let begin = group.x * RANK_TILE;
  let end = min(begin + RANK_TILE, rank_rows(r));
  if (begin >= end || !is_sorted_by(r)) { return; }
  let source = rows_before(r, pass_.digit);
  let goal = rows_before(r, pass_.digit + 1u);
  places[lane] = digits[place_of_digits(r, group.x) + lane];
  for (var word = 0u; word < 8u; word++) { atomicStore(&owners[word * 256u + lane], 0u); }
  workgroupBarrier();
  let own_word = lane / 32u;
  let own_bit = 1u << (lane % 32u);
  for (var first = begin; first < end; first += 256u) {
    let here = first + lane < end;
    var row = vec2<u32>(0u, 0u);
    var digit = 0u;
    if (here) {
      row = ranked[source + first + lane];
      digit = digit_at(r, source + first + lane);
      atomicOr(&owners[own_word * 256u + digit], own_bit);
    }
    workgroupBarrier();
    if (here) {
      var before = countOneBits(atomicLoad(&owners[own_word * 256u + digit]) & (own_bit - 1u));
      for (var word = 0u; word < own_word; word++) { before += countOneBits(atomicLoad(&owners[word * 256u + digit])); }
      ranked[goal + places[digit] + before] = row;
    }
    workgroupBarrier();
    var count = 0u;
    for (var word = 0u; word < 8u; word++) { count += countOneBits(atomicExchange(&owners[word * 256u + lane], 0u)); }
    places[lane] += count;
    workgroupBarrier();
  }
}
