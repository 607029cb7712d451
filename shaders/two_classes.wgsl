// Weights of true and of false positives, and the log loss (docs/metrics.md, "Two classes").
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> scores: array<u32>;
@group(0) @binding(2) var<storage, read> positions: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<u32>;
@group(0) @binding(4) var<storage, read> labels: array<i32>;
@group(0) @binding(5) var<storage, read> margins: array<i32>;
@group(0) @binding(6) var<storage, read> segments: array<vec2<i32>>;
@group(0) @binding(7) var<storage, read_write> sums: array<atomic<u32>>;

const LANES = 256u;

@compute @workgroup_size(LANES)
fn score_two_classes(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                     @builtin(local_invocation_index) lane: u32) {
  let e = group.y + pass_.first;
  let rows = eval_field(e, EVAL_ROWS);
  if (group.x * 256u >= rows) { return; }
  let want_loss = (eval_field(e, EVAL_WANTED) & WANT_LOSS) != 0u;
  var own: array<Long, 3>;
  for (var i = group.x * 256u + lane; i < rows; i += groups.x * 256u) {
    let position = eval_position(e, i);
    let margin = margins[eval_field(e, EVAL_MARGINS) + position];
    let positive = labels[eval_field(e, EVAL_LABELS) + position] == 1;
    let weight = eval_weight(e, i);
    if (margin > 0) {
      let which = select(1u, 0u, positive);
      own[which] = long_add(own[which], Long(weight, 0u, 0u, 0u));
    }
    if (want_loss) {
      let wrong = u32(max(select(margin, -margin, positive), 0));
      let loss = wide_add(wide_shl(Wide(wrong, 0u), 10u), Wide(softplus_q30(u32(abs(margin))), 0u));
      own[2] = long_add(own[2], wide_times(loss, weight));
    }
  }
  for (var k = 0u; k < 3u; k++) {
    let total = sum_of_lanes(k, own[k], false);
    if (lane == 0u) { add_to_sums(eval_field(e, EVAL_SUMS) + 4u * k, total); }
  }
}
