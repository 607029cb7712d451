// The codes that go left at a categorical split. One workgroup a node.
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> units: array<u32>;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read_write> nodes: array<u32>;
@group(0) @binding(4) var<storage, read> tables: array<u32>;
@group(0) @binding(5) var<storage, read> cells: array<vec4<u32>>;

var<workgroup> keys: array<vec2<u32>, 256>;
var<workgroup> codes_left: array<atomic<u32>, 8>;

@compute @workgroup_size(256)
fn collect(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let u = group.y + pass_.first;
  let level_end = state[u * STATE_STRIDE + STATE_LEVEL_END];
  let id = state[u * STATE_STRIDE + STATE_LEVEL_START] + pass_.start + group.x;
  let node = (unit(u, UNIT_NODES) + id) * NODE_STRIDE;
  let c = constants_of(u, shift_of(state[u * STATE_STRIDE + STATE_RANGE]));
  var split = 0u;
  var feature = 0u;
  if (id < level_end && nodes[node + NODE_FEATURE] != NONE) {
    split = nodes[node + NODE_SPLIT];
    feature = nodes[node + NODE_FEATURE];
  }
  let categorical = (split & 0x200u) != 0u;
  let descriptor = FEATURES + feature * 4u;
  let codes = tables[descriptor + 1u];
  let bin = split & 0xffu;
  let missing_left = (split & 0x100u) != 0u;
  let by_order = codes - 1u >= unit(u, UNIT_ONEHOT);
  var sums = Sums(Wide(0u, 0u), Wide(0u, 0u));
  if (categorical && lane > 0u && lane < codes) {
    let cell = cells[(unit(u, UNIT_SLOTS) + select(nodes[node + NODE_SLOT], group.x, pass_.direct != 0u)) * pass_.cells + tables[descriptor] + lane];
    sums = Sums(cell.xy, cell.zw);
  }
  let present = !sums_empty(sums);
  var key = Wide(NONE, NONE);
  if (present && by_order) {
    key = f64_key(F64_ZERO);
    if (!wide_less(sums.h, c.least_hessian)) { key = f64_key(f64_div(f64_of_signed(sums.g), denominator(sums, c))); }
  }
  keys[lane] = key;
  if (lane < 8u) { atomicStore(&codes_left[lane], 0u); }
  workgroupBarrier();
  if (categorical && lane > 0u && lane < codes) {
    var left = false;
    if (!by_order) {
      left = lane == bin;
    } else if (!present) {
      left = missing_left;
    } else {
      var before = 0u;
      for (var other = 1u; other < codes; other++) {
        if (wide_less(keys[other], key) || (all(keys[other] == key) && other < lane)) { before++; }
      }
      left = before < bin;
    }
    if (left) { atomicOr(&codes_left[lane / 32u], 1u << (lane % 32u)); }
  }
  workgroupBarrier();
  if (categorical && lane < 8u) { nodes[node + NODE_CODES + lane] = atomicLoad(&codes_left[lane]); }
}
