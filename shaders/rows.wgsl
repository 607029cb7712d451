// The rows that take part in a tree, and their sums.
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> units: array<u32>;
@group(0) @binding(2) var<storage, read> tables: array<u32>;
@group(0) @binding(3) var<storage, read> gradients: array<vec2<i32>>;
@group(0) @binding(4) var<storage, read_write> state: array<atomic<u32>>;
@group(0) @binding(5) var<storage, read_write> order: array<u32>;

const LANES = 256u;

var<workgroup> start: u32;

fn add_to_state(at: u32, value: Wide) {
  let old = atomicAdd(&state[at], value.x);
  let high = value.y + select(0u, 1u, old + value.x < old);
  if (high != 0u) { atomicAdd(&state[at + 1u], high); }
}

@compute @workgroup_size(LANES)
fn select_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
  let u = group.y + pass_.first;
  let trained = unit(u, UNIT_TRAINED);
  if (group.x * LANES >= trained) { return; }
  let sampled = unit(u, UNIT_SAMPLED) != 0u;
  let threshold = unit(u, UNIT_THRESHOLD);
  let seed = Wide(unit(u, UNIT_SEED), unit(u, UNIT_SEED + 1u));
  let at = u * STATE_STRIDE;
  var sums = vec4<u32>(0u);
  for (var first = group.x * LANES; first < trained; first += groups.x * LANES) {
    let position = first + lane;
    var taken = position < trained;
    var place = position;
    if (sampled) {
      if (taken) {
        let row = tables[unit(u, UNIT_ROWS) + position];
        taken = random_row_word(seed, row, round_of(u), PURPOSE_SUBSAMPLE, unit(u, UNIT_CLASS)) < threshold;
      }
      place = reserve(select(0u, 1u, taken));
      workgroupBarrier();
      if (lane == 0u) { start = atomicAdd(&state[at + STATE_ROWS], atomicExchange(&reserved, 0u)); }
      workgroupBarrier();
      place += start;
    }
    if (taken) {
      let pair = gradients[unit(u, UNIT_GRADIENTS) + position];
      sums = add_pairs(sums, vec4<u32>(wide_of_i32(pair.x), u32(pair.y), 0u));
      order[unit(u, UNIT_ORDER) + place] = position;
    }
  }
  let total = sum_of_lanes(0u, sums, true);
  if (lane == 0u) {
    add_to_state(at + STATE_SUMS, total.xy);
    add_to_state(at + STATE_SUMS + 2u, total.zw);
    if (!sampled && group.x == 0u) { atomicStore(&state[at + STATE_ROWS], trained); }
  }
}
