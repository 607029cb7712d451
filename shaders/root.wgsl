// The root of each tree, from the sums of its rows.
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> units: array<u32>;
@group(0) @binding(2) var<storage, read_write> state: array<u32>;
@group(0) @binding(3) var<storage, read_write> nodes: array<u32>;

@compute @workgroup_size(64)
fn plant(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= pass_.units) { return; }
  let u = id.x + pass_.first;
  let at = u * STATE_STRIDE;
  state[at + STATE_LEVEL_START] = 0u;
  state[at + STATE_LEVEL_END] = 1u;
  state[at + STATE_NODES] = 1u;
  state[at + STATE_SLOTS] = 1u;
  let root = unit(u, UNIT_NODES) * NODE_STRIDE;
  nodes[root + NODE_FEATURE] = NONE;
  nodes[root + NODE_LEFT] = 0u;
  for (var i = 0u; i < 4u; i++) { nodes[root + NODE_SUMS + i] = state[at + STATE_SUMS + i]; }
  nodes[root + NODE_BEGIN] = 0u;
  nodes[root + NODE_COUNT] = state[at + STATE_ROWS];
  nodes[root + NODE_SLOT] = 0u;
  nodes[root + NODE_MINUS] = NONE;
  nodes[root + NODE_LOW] = 0u;
  nodes[root + NODE_LOW + 1u] = 0xfff00000u;
  nodes[root + NODE_HIGH] = 0u;
  nodes[root + NODE_HIGH + 1u] = 0x7ff00000u;
  nodes[root + NODE_HEAP] = 1u;
}
