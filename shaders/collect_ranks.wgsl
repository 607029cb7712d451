// Makes the rows of rankings. A workgroup takes a tile of an eval set, for all classes of it that the wave ranks.
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> scores: array<u32>;
@group(0) @binding(2) var<storage, read> positions: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<u32>;
@group(0) @binding(4) var<storage, read> labels: array<i32>;
@group(0) @binding(5) var<storage, read> margins: array<i32>;
@group(0) @binding(6) var<storage, read> segments: array<vec2<i32>>;
@group(0) @binding(7) var<storage, read_write> ranked: array<vec2<u32>>;
@group(0) @binding(8) var<storage, read_write> ranges: array<atomic<u32>>;

var<workgroup> highest: array<atomic<u32>, 256>;
var<workgroup> deepest: array<atomic<u32>, 256>;

/** The offset of the log-odds that lie `distance` above the others' margin, less the logarithm of their sum. */
fn offset_above(distance: u32, others: u32) -> u32 {
  if (distance < others) { return 0x40000000u - (others - distance); }
  return 0x40000000u + min(distance - others, 0x40000000u);
}

@compute @workgroup_size(256)
fn collect(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = pass_.spans + (pass_.first + group.y) * SPAN_STRIDE;
  let e = scores[span + SPAN_EVAL];
  let first = scores[span + SPAN_RANK];
  let count = scores[span + SPAN_RANKS];
  let begin = group.x * RANK_TILE;
  let end = min(begin + RANK_TILE, eval_field(e, EVAL_ROWS));
  if (begin >= end) { return; }
  atomicStore(&highest[lane], 0u);
  atomicStore(&deepest[lane], 0u);
  workgroupBarrier();
  let classes = eval_field(e, EVAL_CLASSES);
  for (var i = begin + lane; i < end; i += 256u) {
    let position = eval_position(e, i);
    let of_row = eval_field(e, EVAL_MARGINS) + position * classes;
    let label = u32(labels[eval_field(e, EVAL_LABELS) + position]);
    let weight = eval_weight(e, i);
    // The sum of exponentials over all classes, below the greatest margin, and over all but its own, below the second.
    var leader = 0u;
    var top = margins[of_row];
    var second = -MARGIN_LIMIT;
    for (var c = 1u; c < classes; c++) {
      let margin = margins[of_row + c];
      second = max(second, min(margin, top));
      if (margin > top) {
        top = margin;
        leader = c;
      }
    }
    var sum = Wide(0u, 0u);
    var rest = Wide(0u, 0u);
    if (classes > 1u) {
      for (var c = 0u; c < classes; c++) {
        let margin = margins[of_row + c];
        sum = wide_add(sum, Wide(exp_q30(u32(top) - u32(margin)), 0u));
        if (c != leader) { rest = wide_add(rest, Wide(exp_q30(u32(second) - u32(margin)), 0u)); }
      }
    }
    for (var k = 0u; k < count; k++) {
      var offset = u32(top) + 0x40000000u;
      var positive = label;
      if (classes > 1u) {
        let c = rank_field(first + k, RANK_CLASS);
        positive = select(0u, 1u, label == c);
        let distance = u32(top) - u32(margins[of_row + c]);
        let leads = c == leader;
        let others = select(wide_sub(sum, Wide(exp_q30(distance), 0u)), rest, leads);
        let logarithm = wide_shr(wide_add(ln_q30(others), Wide(512u, 0u)), 10u).x;
        offset = 0x40000000u - min(distance + logarithm, 0x40000000u);
        if (leads) { offset = offset_above(u32(top) - u32(second), logarithm); }
      }
      ranked[rank_field(first + k, RANK_ROWS) + i] = vec2<u32>(offset, (weight << 1u) | positive);
      if (offset > atomicLoad(&highest[k])) { atomicMax(&highest[k], offset); }
      if (~offset > atomicLoad(&deepest[k])) { atomicMax(&deepest[k], ~offset); }
    }
  }
  workgroupBarrier();
  if (lane < count) {
    atomicMax(&ranges[2u * (first + lane)], atomicLoad(&highest[lane]));
    atomicMax(&ranges[2u * (first + lane) + 1u], atomicLoad(&deepest[lane]));
  }
}
