// The rows that take part in a tree, and their sums.
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> units: array<u32>;
@group(0) @binding(2) var<storage, read> tables: array<u32>;
@group(0) @binding(3) var<storage, read> gradients: array<vec2<i32>>;
@group(0) @binding(4) var<storage, read_write> state: array<atomic<u32>>;
@group(0) @binding(5) var<storage, read_write> order: array<u32>;

var<workgroup> chosen: atomic<u32>;
var<workgroup> start: u32;
var<workgroup> sum: array<atomic<u32>, 4>;

fn add_to_sum(at: u32, value: Wide) {
  let old = atomicAdd(&sum[at], value.x);
  let high = value.y + select(0u, 1u, old + value.x < old);
  if (high != 0u) { atomicAdd(&sum[at + 1u], high); }
}

fn add_to_state(at: u32, value: Wide) {
  let old = atomicAdd(&state[at], value.x);
  let high = value.y + select(0u, 1u, old + value.x < old);
  if (high != 0u) { atomicAdd(&state[at + 1u], high); }
}

@compute @workgroup_size(256)
fn select_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
  let u = group.y + pass_.first;
  let trained = unit(u, UNIT_TRAINED);
  let sampled = unit(u, UNIT_SAMPLED) != 0u;
  let threshold = unit(u, UNIT_THRESHOLD);
  let seed = Wide(unit(u, UNIT_SEED), unit(u, UNIT_SEED + 1u));
  for (var first = group.x * 256u; first < trained; first += groups.x * 256u) {
    if (lane < 4u) { atomicStore(&sum[lane], 0u); }
    if (lane == 4u) { atomicStore(&chosen, 0u); }
    workgroupBarrier();
    let position = first + lane;
    var taken = position < trained;
    if (taken && sampled) {
      let row = tables[unit(u, UNIT_ROWS) + position];
      taken = random_row_word(seed, row, round_of(u), PURPOSE_SUBSAMPLE, unit(u, UNIT_CLASS)) < threshold;
    }
    var place = 0u;
    if (taken) {
      place = atomicAdd(&chosen, 1u);
      let pair = gradients[unit(u, UNIT_GRADIENTS) + position];
      add_to_sum(0u, wide_of_i32(pair.x));
      add_to_sum(2u, Wide(u32(pair.y), 0u));
    }
    workgroupBarrier();
    if (lane == 0u) {
      let at = u * STATE_STRIDE;
      start = atomicAdd(&state[at + STATE_ROWS], atomicLoad(&chosen));
      add_to_state(at + STATE_SUMS, Wide(atomicLoad(&sum[0]), atomicLoad(&sum[1])));
      add_to_state(at + STATE_SUMS + 2u, Wide(atomicLoad(&sum[2]), atomicLoad(&sum[3])));
    }
    workgroupBarrier();
    if (taken) { order[unit(u, UNIT_ORDER) + start + place] = position; }
    workgroupBarrier();
  }
}
