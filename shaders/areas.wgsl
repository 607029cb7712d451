// Sums over sorted rankings (docs/metrics.md, auc_roc and auc_pr). The weights before each row, of either label, are kept
// in blocks of 256 rows: within a block they fit 32 bits, and take the place of the rows' other stretch.
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> scores: array<u32>;
@group(0) @binding(2) var<storage, read_write> blocks: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> ranges: array<u32>;
@group(0) @binding(4) var<storage, read_write> ranked: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> sums: array<atomic<u32>>;

var<workgroup> narrow: array<vec2<u32>, 512>;
var<workgroup> wide: array<vec4<u32>, 512>;

/** Weights of negative and of positive rows, of 64 bits each. */
fn add_weights(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
  return vec4<u32>(wide_add(a.xy, b.xy), wide_add(a.zw, b.zw));
}

@compute @workgroup_size(256)
fn sum_blocks(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let r = pass_.first + group.y;
  let begin = group.x * RANK_TILE;
  let end = min(begin + RANK_TILE, rank_rows(r));
  let rows = rows_before(r, digits_of(r));
  let before = rows_before(r, digits_of(r) + 1u);
  for (var first = begin; first < end; first += 256u) {
    var own = vec2<u32>(0u, 0u);
    if (first + lane < end) {
      let word = ranked[rows + first + lane].y;
      own = select(vec2<u32>(word >> 1u, 0u), vec2<u32>(0u, word >> 1u), (word & 1u) == 1u);
    }
    narrow[lane] = own;
    workgroupBarrier();
    var buffer = 0u;
    for (var step = 1u; step < 256u; step <<= 1u) {
      var total = narrow[buffer + lane];
      if (lane >= step) { total += narrow[buffer + lane - step]; }
      buffer = 256u - buffer;
      narrow[buffer + lane] = total;
      workgroupBarrier();
    }
    // 256 weights may reach 2^32, 255 cannot.
    let sum = narrow[buffer + lane] - own;
    if (first + lane < end) { ranked[before + first + lane] = sum; }
    if (lane == 255u) {
      blocks[rank_field(r, RANK_BLOCKS) + first / 256u] =
          add_weights(vec4<u32>(sum.x, 0u, sum.y, 0u), vec4<u32>(own.x, 0u, own.y, 0u));
    }
    workgroupBarrier();
  }
}

/** One workgroup a ranking. */
@compute @workgroup_size(256)
fn scan_blocks(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let r = pass_.first + group.x;
  let count = (rank_rows(r) + 255u) / 256u;
  let start = rank_field(r, RANK_BLOCKS);
  var before = vec4<u32>(0u);
  for (var first = 0u; first < count; first += 256u) {
    var own = vec4<u32>(0u);
    if (first + lane < count) { own = blocks[start + first + lane]; }
    wide[lane] = own;
    workgroupBarrier();
    var buffer = 0u;
    for (var step = 1u; step < 256u; step <<= 1u) {
      var total = wide[buffer + lane];
      if (lane >= step) { total = add_weights(total, wide[buffer + lane - step]); }
      buffer = 256u - buffer;
      wide[buffer + lane] = total;
      workgroupBarrier();
    }
    if (first + lane < count) {
      var sum = before;
      if (lane > 0u) { sum = add_weights(sum, wide[buffer + lane - 1u]); }
      blocks[start + first + lane] = sum;
    }
    before = add_weights(before, wide[buffer + 255u]);
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
  return add_weights(blocks[rank_field(r, RANK_BLOCKS) + i / 256u], vec4<u32>(within.x, 0u, within.y, 0u));
}

/** The last row of each group of equal margins adds for all of the group. */
@compute @workgroup_size(256)
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
  for (var i = begin + lane; i < end; i += 256u) {
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
    let total = sum_of_lanes(lane, own[k]);
    if (lane == 0u && !(k == 1u && !want_precision)) { add_to_sums(rank_field(r, RANK_SUMS) + 4u * k, total); }
  }
}
