// Gradients of a round (docs/numerics.md section 5), one invocation a row.
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> units: array<u32>;
@group(0) @binding(2) var<storage, read> tables: array<u32>;
@group(0) @binding(3) var<storage, read> labels: array<i32>;
@group(0) @binding(4) var<storage, read> weights: array<u32>;
@group(0) @binding(5) var<storage, read> margins: array<i32>;
@group(0) @binding(6) var<storage, read_write> gradients: array<vec2<i32>>;
@group(0) @binding(7) var<storage, read_write> state: array<atomic<u32>>;
@group(0) @binding(8) var<storage, read> segments: array<vec2<i32>>;

fn weight_at(u: u32, position: u32) -> u32 {
  let start = unit(u, UNIT_WEIGHTS);
  if (start == NONE) { return 16777216u; }
  return weights[start + position];
}

fn seed_of(u: u32) -> Wide { return Wide(unit(u, UNIT_SEED), unit(u, UNIT_SEED + 1u)); }

fn quantise(u: u32, class_index: u32, position: u32, g: i32, h: i32) -> vec2<i32> {
  let weight = weight_at(u, position);
  let row = tables[unit(u, UNIT_ROWS) + position];
  let dither = random_row_word(seed_of(u), row, round_of(u), PURPOSE_DITHER, class_index);
  return vec2<i32>((apply_weight(g, weight) + i32(dither & 0x7fffu)) >> 15u,
                   (apply_weight(h, weight) + i32(dither >> 18u)) >> 14u);
}

fn logistic_row(u: u32, position: u32) {
  let m = margins[unit(u, UNIT_MARGINS) + position];
  let q = evaluate_segment(0u, min(u32(abs(m)), 0xffffffu), 26u);
  let p = select(1073741824 - q, q, m < 0);
  let label = labels[unit(u, UNIT_LABELS) + position];
  gradients[unit(u, UNIT_GRADIENTS) + position] =
      quantise(u, 0u, position, p - select(0, 1073741824, label == 1), bernoulli_variance(q));
}

fn exp_q24(t: u32) -> u32 { return u32(evaluate_segment(0u, min(t, 0xffffffu), 24u) + 32) >> 6u; }

/** ⌊2^54 / sum⌋ for 2^24 ≤ sum < 2^32, bit by bit. */
fn reciprocal(sum: u32) -> u32 {
  var rest = 0u;
  var quotient = 0u;
  for (var bit = 55u; bit > 0u; bit--) {
    let over = rest >> 31u;
    rest = (rest << 1u) | select(0u, 1u, bit == 55u);
    quotient <<= 1u;
    if (over == 1u || rest >= sum) {
      rest -= sum;
      quotient |= 1u;
    }
  }
  return quotient;
}

/** All classes of a row; the unit is the job's first. */
fn softmax_row(u: u32, position: u32) {
  let classes = unit(u, UNIT_CLASSES);
  let at = unit(u, UNIT_MARGINS) + position * classes;
  var top = margins[at];
  for (var c = 1u; c < classes; c++) { top = max(top, margins[at + c]); }
  var sum = 0u;
  for (var c = 0u; c < classes; c++) { sum += exp_q24(u32(top) - u32(margins[at + c])); }
  let v = reciprocal(sum);
  let label = u32(labels[unit(u, UNIT_LABELS) + position]);
  for (var c = 0u; c < classes; c++) {
    let product = multiply(exp_q24(u32(top) - u32(margins[at + c])), v);
    let p = i32((product.x >> 24u) | (product.y << 8u));
    let g = p - select(0, 1073741824, label == c);
    let h = 2 * bernoulli_variance(min(p, 1073741824 - p));
    gradients[unit(u, UNIT_GRADIENTS) + c * unit(u, UNIT_TRAINED) + position] = quantise(u, c, position, g, h);
  }
}

/** Returns the magnitude of the gradient. */
fn squared_error_row(u: u32, position: u32) -> u32 {
  let error = margins[unit(u, UNIT_MARGINS) + position] - labels[unit(u, UNIT_LABELS) + position];
  let weight = weight_at(u, position);
  let g = apply_weight(error, weight);
  gradients[unit(u, UNIT_GRADIENTS) + position] = vec2<i32>(g, i32(weight));
  return u32(abs(g));
}

var<workgroup> range: atomic<u32>;

@compute @workgroup_size(256)
fn compute(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
  let u = group.y + pass_.first;
  let objective = unit(u, UNIT_OBJECTIVE);
  if (objective != pass_.objective) { return; }
  if (objective == OBJECTIVE_SOFTMAX && unit(u, UNIT_CLASS) != 0u) { return; }
  var own = 0u;
  for (var position = group.x * 256u + lane; position < unit(u, UNIT_TRAINED); position += groups.x * 256u) {
    switch (objective) {
      case OBJECTIVE_LOGISTIC: { logistic_row(u, position); }
      case OBJECTIVE_SOFTMAX: { softmax_row(u, position); }
      default: { own |= squared_error_row(u, position); }
    }
  }
  if (objective != OBJECTIVE_SQUARED_ERROR) { return; }
  atomicOr(&range, own);
  workgroupBarrier();
  if (lane == 0u) { atomicOr(&state[u * STATE_STRIDE + STATE_RANGE], atomicLoad(&range)); }
}
