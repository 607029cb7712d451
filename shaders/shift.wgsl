// Second pass of the squared error (docs/numerics.md section 5): the shift of a round follows from its greatest gradient.
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> units: array<u32>;
@group(0) @binding(2) var<storage, read> tables: array<u32>;
@group(0) @binding(3) var<storage, read_write> gradients: array<vec2<i32>>;
@group(0) @binding(4) var<storage, read> state: array<u32>;

@compute @workgroup_size(256)
fn shift(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let u = id.y + pass_.first;
  if (unit(u, UNIT_OBJECTIVE) != OBJECTIVE_SQUARED_ERROR) { return; }
  let bits = shift_of(state[u * STATE_STRIDE + STATE_RANGE]);
  if (bits == 0u) { return; }
  for (var position = id.x; position < unit(u, UNIT_TRAINED); position += groups.x * 256u) {
    let at = unit(u, UNIT_GRADIENTS) + position;
    let row = tables[unit(u, UNIT_ROWS) + position];
    let dither = random_row_word(Wide(unit(u, UNIT_SEED), unit(u, UNIT_SEED + 1u)), row, round_of(u), PURPOSE_DITHER, 0u) & ((1u << bits) - 1u);
    let sum = wide_add(wide_of_i32(gradients[at].x), Wide(dither, 0u));
    gradients[at].x = i32(wide_shr(Wide(sum.x, sum.y), bits).x);
  }
}
