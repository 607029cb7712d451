// After the partition of a level: the rows of each child, and which of a pair is built from rows. Then the children are
// the level. One workgroup a unit.
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> units: array<u32>;
@group(0) @binding(2) var<storage, read_write> state: array<u32>;
@group(0) @binding(3) var<storage, read_write> nodes: array<u32>;
@group(0) @binding(4) var<storage, read> cursors: array<u32>;

@compute @workgroup_size(64)
fn segment(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let u = group.x + pass_.first;
  let at = u * STATE_STRIDE;
  let end = state[at + STATE_LEVEL_END];
  for (var id = state[at + STATE_LEVEL_START] + lane; id < end; id += 64u) {
    let node = (unit(u, UNIT_NODES) + id) * NODE_STRIDE;
    if (nodes[node + NODE_FEATURE] == NONE) { continue; }
    let count = nodes[node + NODE_COUNT];
    let lefts = cursors[(unit(u, UNIT_NODES) + id) * 2u];
    let left = (unit(u, UNIT_NODES) + nodes[node + NODE_LEFT]) * NODE_STRIDE;
    let right = left + NODE_STRIDE;
    nodes[left + NODE_BEGIN] = nodes[node + NODE_BEGIN];
    nodes[left + NODE_COUNT] = lefts;
    nodes[right + NODE_BEGIN] = nodes[node + NODE_BEGIN] + lefts;
    nodes[right + NODE_COUNT] = count - lefts;
    // The larger child takes the place of the parent, less the smaller one.
    let small = select(right, left, lefts <= count - lefts);
    let large = select(left, right, lefts <= count - lefts);
    nodes[small + NODE_SLOT] = nodes[node + NODE_FRESH];
    nodes[small + NODE_MINUS] = NONE;
    nodes[large + NODE_SLOT] = nodes[node + NODE_SLOT];
    nodes[large + NODE_MINUS] = nodes[node + NODE_FRESH];
  }
  workgroupBarrier();
  if (lane == 0u) {
    state[at + STATE_LEVEL_START] = end;
    state[at + STATE_LEVEL_END] = state[at + STATE_NODES];
  }
}
