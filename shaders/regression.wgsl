// Squared, absolute and relative errors (docs/metrics.md, "Regression").
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> scores: array<u32>;
@group(0) @binding(2) var<storage, read> positions: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<u32>;
@group(0) @binding(4) var<storage, read> labels: array<i32>;
@group(0) @binding(5) var<storage, read> margins: array<i32>;
@group(0) @binding(6) var<storage, read> tables: array<u32>;
@group(0) @binding(7) var<storage, read> reciprocals: array<vec2<u32>>;
@group(0) @binding(8) var<storage, read_write> sums: array<atomic<u32>>;

const LANES = 256u;

/** Four words a sum, one for each exponent of the targets. */
var<workgroup> relative: array<atomic<u32>, 724>;

fn add_relative(exponent: u32, value: Long) {
  var carry = 0u;
  for (var k = 0u; k < 4u; k++) {
    let word = value[k] + carry;
    carry = select(0u, 1u, word < carry);
    if (word == 0u) { continue; }
    let old = atomicAdd(&relative[4u * exponent + k], word);
    if (old + word < old) { carry = 1u; }
  }
}

@compute @workgroup_size(LANES)
fn score_regression(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) lane: u32) {
  let e = group.y + pass_.first;
  let rows = eval_field(e, EVAL_ROWS);
  if (group.x * 256u >= rows) { return; }
  let want_relative = (eval_field(e, EVAL_WANTED) & WANT_RELATIVE) != 0u;
  for (var k = lane; k < 724u; k += 256u) { atomicStore(&relative[k], 0u); }
  workgroupBarrier();
  var own: array<Long, 2>;
  for (var i = group.x * 256u + lane; i < rows; i += groups.x * 256u) {
    let position = eval_position(e, i);
    let margin = margins[eval_field(e, EVAL_MARGINS) + position];
    let goal = labels[eval_field(e, EVAL_LABELS) + position];
    let error = select(u32(margin) - u32(goal), u32(goal) - u32(margin), margin < goal);
    let weighted = multiply(error, eval_weight(e, i));
    own[0] = long_add(own[0], wide_times(weighted, error));
    own[1] = long_add(own[1], long_of(weighted));
    if (want_relative) {
      let reciprocal = reciprocals[tables[eval_field(e, EVAL_TABLE) + position]];
      add_relative(reciprocal.y >> 16u, wide_product(weighted, Wide(reciprocal.x, reciprocal.y & 0xffffu)));
    }
  }
  let at = eval_field(e, EVAL_SUMS);
  for (var k = 0u; k < 2u; k++) {
    let total = sum_of_lanes(k, own[k], false);
    if (lane == 0u) { add_to_sums(at + 4u * k, total); }
  }
  if (!want_relative) { return; }
  for (var k = lane; k < 181u; k += 256u) {
    let sum = Long(atomicLoad(&relative[4u * k]), atomicLoad(&relative[4u * k + 1u]), atomicLoad(&relative[4u * k + 2u]),
                   atomicLoad(&relative[4u * k + 3u]));
    add_to_sums(at + 8u + 4u * k, sum);
  }
}
