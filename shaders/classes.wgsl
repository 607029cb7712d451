// By class, weights of rows predicted rightly and of rows predicted; and the log loss (docs/metrics.md, "Several classes").
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> scores: array<u32>;
@group(0) @binding(2) var<storage, read> positions: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<u32>;
@group(0) @binding(4) var<storage, read> labels: array<i32>;
@group(0) @binding(5) var<storage, read> margins: array<i32>;
@group(0) @binding(6) var<storage, read> segments: array<vec2<i32>>;
@group(0) @binding(7) var<storage, read_write> sums: array<atomic<u32>>;

const LANES = 256u;

/** Two words a sum: of the rows predicted rightly by class, then of those predicted. */
var<workgroup> counts: array<atomic<u32>, 1020>;

fn count(at: u32, weight: u32) {
  let old = atomicAdd(&counts[2u * at], weight);
  if (old + weight < old) { atomicAdd(&counts[2u * at + 1u], 1u); }
}

@compute @workgroup_size(LANES)
fn score_classes(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) lane: u32) {
  let e = group.y + pass_.first;
  let rows = eval_field(e, EVAL_ROWS);
  if (group.x * 256u >= rows) { return; }
  let classes = eval_field(e, EVAL_CLASSES);
  let want_loss = (eval_field(e, EVAL_WANTED) & WANT_LOSS) != 0u;
  for (var k = lane; k < 4u * classes; k += 256u) { atomicStore(&counts[k], 0u); }
  workgroupBarrier();
  var own = LONG_ZERO;
  for (var i = group.x * 256u + lane; i < rows; i += groups.x * 256u) {
    let position = eval_position(e, i);
    let of_row = eval_field(e, EVAL_MARGINS) + position * classes;
    let label = u32(labels[eval_field(e, EVAL_LABELS) + position]);
    let weight = eval_weight(e, i);
    var top = margins[of_row];
    var predicted = 0u;
    for (var c = 1u; c < classes; c++) {
      let margin = margins[of_row + c];
      if (margin > top) {
        top = margin;
        predicted = c;
      }
    }
    if (predicted == label) { count(label, weight); }
    count(classes + predicted, weight);
    if (want_loss) {
      var sum = Wide(0u, 0u);
      for (var c = 0u; c < classes; c++) { sum = wide_add(sum, Wide(exp_q30(u32(top) - u32(margins[of_row + c])), 0u)); }
      let short = u32(top) - u32(margins[of_row + label]);
      own = long_add(own, wide_times(wide_add(wide_shl(Wide(short, 0u), 10u), ln_q30(sum)), weight));
    }
  }
  let at = eval_field(e, EVAL_SUMS);
  let loss = sum_of_lanes(0u, own, false);
  if (lane == 0u) { add_to_sums(at + 8u * classes, loss); }
  for (var k = lane; k < 2u * classes; k += 256u) {
    add_to_sums(at + 4u * k, Long(atomicLoad(&counts[2u * k]), atomicLoad(&counts[2u * k + 1u]), 0u, 0u));
  }
}
