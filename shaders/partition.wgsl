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

var<workgroup> lefts: atomic<u32>;
var<workgroup> rights: atomic<u32>;
var<workgroup> room: vec2<u32>;

@compute @workgroup_size(256)
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
  for (var first = group.z * 256u; first < count; first += pass_.shares * 256u) {
    if (lane == 0u) {
      atomicStore(&lefts, 0u);
      atomicStore(&rights, 0u);
    }
    workgroupBarrier();
    let here = first + lane < count;
    var position = 0u;
    var left = false;
    var place = 0u;
    if (here) {
      position = order[begin + first + lane];
      left = goes_left(node, tables[unit(u, UNIT_ROWS) + position]);
      if (left) {
        place = atomicAdd(&lefts, 1u);
      } else {
        place = atomicAdd(&rights, 1u);
      }
    }
    workgroupBarrier();
    if (lane == 0u) {
      room = vec2<u32>(atomicAdd(&cursors[cursor], atomicLoad(&lefts)),
                       atomicAdd(&cursors[cursor + 1u], atomicLoad(&rights)));
    }
    workgroupBarrier();
    if (here) {
      let to = select(count - 1u - room.y - place, room.x + place, left);
      moved[begin + to] = position;
    }
    workgroupBarrier();
  }
}
