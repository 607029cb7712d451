// Sums over sorted rankings (docs/metrics.md, auc_roc and auc_pr). The weights before each row, of either label, are kept
// in blocks of LANES rows: within a block they fit 32 bits, and take the place of the rows' other stretch.
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> scores: array<u32>;
@group(0) @binding(2) var<storage, read_write> blocks: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> ranges: array<u32>;
@group(0) @binding(4) var<storage, read_write> ranked: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> sums: array<atomic<u32>>;

const LANES = 256u;

/** Weights of negative and of positive rows, of 64 bits each. */
fn weights_of(row: vec2<u32>) -> vec4<u32> { return vec4<u32>(row.x, 0u, row.y, 0u); }

@compute @workgroup_size(LANES)
fn sum_blocks(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
  let place = place_of(index);
  let subgroups = subgroups_in_all();
  let r = pass_.first + group.y;
  let begin = group.x * RANK_TILE;
  let end = min(begin + RANK_TILE, rank_rows(r));
  let rows = rows_before(r, digits_of(r));
  let before = rows_before(r, digits_of(r) + 1u);
  for (var first = begin; first < end; first += LANES) {
    let i = first + place.lane;
    var own = vec2<u32>(0u, 0u);
    if (i < end) {
      let word = ranked[rows + i].y;
      own = select(vec2<u32>(word >> 1u, 0u), vec2<u32>(0u, word >> 1u), (word & 1u) == 1u);
    }
    let sum = pairs_before(place, subgroups, weights_of(own));
    // 256 weights may reach 2^32, 255 cannot.
    if (i < end) { ranked[before + i] = sum.xz; }
    if (place.lane == LANES - 1u) { blocks[rank_field(r, RANK_BLOCKS) + first / LANES] = add_pairs(sum, weights_of(own)); }
    workgroupBarrier();
  }
}

var<workgroup> through: vec4<u32>;

/** One workgroup a ranking. */
@compute @workgroup_size(LANES)
fn scan_blocks(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
  let place = place_of(index);
  let subgroups = subgroups_in_all();
  let r = pass_.first + group.x;
  let count = (rank_rows(r) + LANES - 1u) / LANES;
  let start = rank_field(r, RANK_BLOCKS);
  for (var first = 0u; first < count; first += LANES) {
    let i = first + place.lane;
    var own = vec4<u32>(0u);
    if (i < count) { own = blocks[start + i]; }
    let sum = add_pairs(through, pairs_before(place, subgroups, own));
    if (i < count) { blocks[start + i] = sum; }
    workgroupBarrier();
    if (place.lane == LANES - 1u) { through = add_pairs(sum, own); }
    workgroupBarrier();
  }
}

/** ⌊2^32 · part / whole⌋ for 0 < part ≤ whole < 2^63. */
fn ratio_q32(part: Wide, whole: Wide) -> Wide {
  if (all(part == whole)) { return Wide(0u, 1u); }
  var rest = part;
  var quotient = 0u;
  for (var bit = 0u; bit < 32u; bit++) {
    rest = wide_shl(rest, 1u);
    quotient <<= 1u;
    if (!wide_less(rest, whole)) {
      rest = wide_sub(rest, whole);
      quotient |= 1u;
    }
  }
  return Wide(quotient, 0u);
}

fn weights_before(r: u32, rows: u32, i: u32) -> vec4<u32> {
  let within = ranked[rows + i];
  return add_pairs(blocks[rank_field(r, RANK_BLOCKS) + i / LANES], weights_of(within));
}

/** The last row of each group of equal margins adds for all of the group. */
@compute @workgroup_size(LANES)
fn sum_ties(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let r = pass_.first + group.y;
  let e = rank_field(r, RANK_EVAL);
  let count = rank_rows(r);
  let begin = group.x * RANK_TILE;
  let end = min(begin + RANK_TILE, count);
  if (begin >= end) { return; }
  let rows = rows_before(r, digits_of(r));
  let before = rows_before(r, digits_of(r) + 1u);
  let all_rows = vec4<u32>(rank_field(r, RANK_NEGATIVE), rank_field(r, RANK_NEGATIVE + 1u), rank_field(r, RANK_POSITIVE),
                           rank_field(r, RANK_POSITIVE + 1u));
  let want_precision = (eval_field(e, EVAL_WANTED) & WANT_PRECISION) != 0u;
  var own: array<Long, 2>;
  for (var i = begin + lane; i < end; i += LANES) {
    let offset = ranked[rows + i].x;
    if (i + 1u < count && ranked[rows + i + 1u].x == offset) { continue; }
    // From here on rows before `first` are lower, those from `last` on are not.
    var first = 0u;
    var last = i;
    if (i > 0u && ranked[rows + i - 1u].x != offset) { first = i; }
    while (first < last) {
      let middle = first + (last - first) / 2u;
      if (ranked[rows + middle].x < offset) {
        first = middle + 1u;
      } else {
        last = middle;
      }
    }
    let below = weights_before(r, before, first);
    var through = all_rows;
    if (i + 1u < count) { through = weights_before(r, before, i + 1u); }
    let positive = wide_sub(through.zw, below.zw);
    if (wide_is_zero(positive)) { continue; }
    own[0] = long_add(own[0], wide_product(positive, wide_add(below.xy, through.xy)));
    if (want_precision) {
      let hits = wide_sub(all_rows.zw, below.zw);
      let predicted = wide_add(hits, wide_sub(all_rows.xy, below.xy));
      own[1] = long_add(own[1], wide_product(positive, ratio_q32(hits, predicted)));
    }
  }
  for (var k = 0u; k < 2u; k++) {
    let total = sum_of_lanes(k, own[k], false);
    if (lane == 0u && !(k == 1u && !want_precision)) { add_to_sums(rank_field(r, RANK_SUMS) + 4u * k, total); }
  }
}
