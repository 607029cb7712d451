// Moves the rows of split nodes to their children. The order within a child does not matter, since all sums are exact:
// workgroups reserve room at both ends of the node's stretch.
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> units: array<u32>;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> nodes: array<u32>;
@group(0) @binding(4) var<storage, read> tables: array<u32>;
@group(0) @binding(5) var<storage, read> bins: array<u32>;
@group(0) @binding(6) var<storage, read_write> cursors: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read> order: array<u32>;
@group(0) @binding(8) var<storage, read_write> moved: array<u32>;

const LANES = 256u;
/** Rows of an invocation at a time. */
const OWN = 4u;

var<workgroup> room: vec2<u32>;

@compute @workgroup_size(LANES)
fn move_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let u = group.y + pass_.first;
  if (pass_.depth + 1u >= unit(u, UNIT_DEPTH)) { return; }
  let level_end = state[u * STATE_STRIDE + STATE_LEVEL_END];
  let id = state[u * STATE_STRIDE + STATE_LEVEL_START] + pass_.start + group.x;
  if (id >= level_end) { return; }
  let node = (unit(u, UNIT_NODES) + id) * NODE_STRIDE;
  if (nodes[node + NODE_FEATURE] == NONE) { return; }
  let begin = unit(u, UNIT_ORDER) + nodes[node + NODE_BEGIN];
  let count = nodes[node + NODE_COUNT];
  let cursor = (unit(u, UNIT_NODES) + id) * 2u;
  for (var first = group.z * LANES * OWN; first < count; first += pass_.shares * LANES * OWN) {
    var positions: array<u32, OWN>;
    var here = 0u;
    for (var k = 0u; k < OWN; k++) {
      let i = first + k * LANES + lane;
      if (i >= count) { break; }
      positions[k] = order[begin + i];
      here++;
    }
    var left = 0u;  // a bit a row
    for (var k = 0u; k < OWN; k++) {
      if (k >= here) { break; }
      if (goes_left(node, tables[unit(u, UNIT_ROWS) + positions[k]])) { left |= 1u << k; }
    }
    // Rows to the left in 16 bits, those to the right above them.
    let lefts = countOneBits(left);
    let places = reserve(lefts | ((here - lefts) << 16u));
    workgroupBarrier();
    if (lane == 0u) {
      let counts = atomicExchange(&reserved, 0u);
      room = vec2<u32>(atomicAdd(&cursors[cursor], counts & 0xffffu), atomicAdd(&cursors[cursor + 1u], counts >> 16u));
    }
    workgroupBarrier();
    var left_place = begin + room.x + (places & 0xffffu);
    var right_place = begin + count - 1u - room.y - (places >> 16u);
    for (var k = 0u; k < OWN; k++) {
      if (k >= here) { break; }
      if (((left >> k) & 1u) == 1u) {
        moved[left_place] = positions[k];
        left_place++;
      } else {
        moved[right_place] = positions[k];
        right_place--;
      }
    }
  }
}
