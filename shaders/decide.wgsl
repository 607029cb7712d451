// Splits the nodes of a level or makes leaves of them, and numbers the children: one workgroup a unit.
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> units: array<u32>;
@group(0) @binding(2) var<storage, read_write> state: array<u32>;
@group(0) @binding(3) var<storage, read_write> nodes: array<u32>;
@group(0) @binding(4) var<storage, read> results: array<u32>;
@group(0) @binding(5) var<storage, read_write> cursors: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read> tables: array<u32>;

const LANES = SEARCH_LANES;

var<workgroup> level: vec4<u32>;  // start, end, nodes, slots

fn write_wide(at: u32, value: Wide) {
  nodes[at] = value.x;
  nodes[at + 1u] = value.y;
}

fn write_child(node: u32, sums: Sums, limits: Bounds, heap: u32) {
  nodes[node + NODE_FEATURE] = NONE;
  nodes[node + NODE_LEFT] = 0u;
  write_wide(node + NODE_SUMS, sums.g);
  write_wide(node + NODE_SUMS + 2u, sums.h);
  write_wide(node + NODE_LOW, limits.low);
  write_wide(node + NODE_HIGH, limits.high);
  nodes[node + NODE_HEAP] = heap;
}

/** Where the best candidate of a node lies, or NONE. */
fn best_result(u: u32, k: u32) -> u32 {
  var chosen = NONE;
  var best = Wide(0u, 0u);
  for (var c = 0u; c < pass_.chunks; c++) {
    let at = (((u - pass_.first) * pass_.width + k) * pass_.chunks + c) * RESULT_STRIDE;
    let score = Wide(results[at], results[at + 1u]);
    // Chunks are in the order of features, so an equal score of a later one does not count. Keys of scores are above 0.
    if (results[at + 2u] != NONE && wide_less(best, score)) {
      chosen = at;
      best = score;
    }
  }
  return chosen;
}

fn f64_of_key(key: Wide) -> Wide {
  if (key.y >> 31u == 0u) { return ~key; }
  return Wide(key.x, key.y & 0x7fffffffu);
}

@compute @workgroup_size(LANES)
fn decide(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
  let place = place_of(index);
  let lane = place.lane;
  let subgroups = subgroups_in_all();
  let u = group.x + pass_.first;
  let c = constants_of(u, shift_of(state[u * STATE_STRIDE + STATE_RANGE]));
  if (lane == 0u) {
    let at = u * STATE_STRIDE;
    level = vec4<u32>(state[at + STATE_LEVEL_START], state[at + STATE_LEVEL_END], state[at + STATE_NODES],
                      state[at + STATE_SLOTS]);
  }
  let start = workgroupUniformLoad(&level);
  for (var first = start.x; first < start.y; first += LANES) {
    let id = first + lane;
    let node = (unit(u, UNIT_NODES) + id) * NODE_STRIDE;
    var result = NONE;
    var sums = Sums(Wide(0u, 0u), Wide(0u, 0u));
    var bounds = Bounds(Wide(0u, 0u), Wide(0u, 0u));
    var gain = F64_ZERO;
    var left_weight = F64_ZERO;
    var right_weight = F64_ZERO;
    if (id < start.y) {
      sums = Sums(Wide(nodes[node + NODE_SUMS], nodes[node + NODE_SUMS + 1u]),
                  Wide(nodes[node + NODE_SUMS + 2u], nodes[node + NODE_SUMS + 3u]));
      bounds = Bounds(Wide(nodes[node + NODE_LOW], nodes[node + NODE_LOW + 1u]),
                      Wide(nodes[node + NODE_HIGH], nodes[node + NODE_HIGH + 1u]));
      if (pass_.depth < unit(u, UNIT_DEPTH) && !wide_less(sums.h, wide_shl(c.least_hessian, 1u))) {
        result = best_result(u, id - start.x);
      }
      var left = sums;
      if (result != NONE) {
        left = Sums(Wide(results[result + 4u], results[result + 5u]), Wide(results[result + 6u], results[result + 7u]));
      }
      // The node's score, its weight, and those of its children.
      var found: array<Evaluation, 4>;
      for (var i = 0u; i < 4u; i++) {
        var rows = sums;
        if (i == 2u) { rows = left; }
        if (i == 3u) { rows = sums_sub(sums, left); }
        found[i] = evaluate(rows, bounds, c, i == 0u);
      }
      if (result != NONE) {
        let parent = found[0].score;
        gain = f64_sub(f64_of_key(Wide(results[result], results[result + 1u])), parent);
        let rounding = f64_mul(f64_abs(parent), Wide(0u, (1023u - 40u) << 20u));
        if (!f64_less(c.min_gain, gain) || !f64_less(rounding, gain)) { result = NONE; }
        left_weight = found[2].weight;
        right_weight = found[3].weight;
      }
      if (result == NONE) { nodes[node + NODE_LEAF] = u32(leaf_of(found[1].weight, c)); }
    }
    let split = select(1u, 0u, result == NONE);
    let before = pairs_before(place, subgroups, vec4<u32>(split, 0u, 0u, 0u)).x;
    let counted = level;
    if (result != NONE) {
      let feature = results[result + 2u];
      let left_id = counted.z + 2u * before;
      let categorical = tables[FEATURES + feature * 4u + 2u] != 0u;
      nodes[node + NODE_FEATURE] = feature;
      nodes[node + NODE_SPLIT] = results[result + 3u] | select(0u, 0x200u, categorical);
      nodes[node + NODE_LEFT] = left_id;
      nodes[node + NODE_LEAF] = 0u;
      write_wide(node + NODE_GAIN, gain);
      nodes[node + NODE_FRESH] = counted.w + before;
      let left = Sums(Wide(results[result + 4u], results[result + 5u]), Wide(results[result + 6u], results[result + 7u]));
      let right = sums_sub(sums, left);
      var left_bounds = bounds;
      var right_bounds = bounds;
      let constraint = constraint_of(u, feature);
      if (constraint != 0u) {
        let middle = f64_mul(f64_add(left_weight, right_weight), F64_HALF);
        if (constraint == 1u) {
          left_bounds.high = middle;
          right_bounds.low = middle;
        } else {
          left_bounds.low = middle;
          right_bounds.high = middle;
        }
      }
      let heap = nodes[node + NODE_HEAP];
      let child = (unit(u, UNIT_NODES) + left_id) * NODE_STRIDE;
      write_child(child, left, left_bounds, 2u * heap);
      write_child(child + NODE_STRIDE, right, right_bounds, 2u * heap + 1u);
      let cursor = (unit(u, UNIT_NODES) + id) * 2u;
      atomicStore(&cursors[cursor], 0u);
      atomicStore(&cursors[cursor + 1u], 0u);
    }
    workgroupBarrier();
    if (lane == LANES - 1u) {
      level.z += 2u * (before + split);
      level.w += before + split;
    }
    workgroupBarrier();
  }
  if (lane == 0u) {
    let at = u * STATE_STRIDE;
    state[at + STATE_NODES] = level.z;
    state[at + STATE_SLOTS] = level.w;
  }
}
