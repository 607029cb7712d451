// Adds the leaves of a round to the margins of all rows of a job, trained on or not.
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> units: array<u32>;
@group(0) @binding(2) var<storage, read> nodes: array<u32>;
@group(0) @binding(3) var<storage, read> tables: array<u32>;
@group(0) @binding(4) var<storage, read> bins: array<u32>;
@group(0) @binding(5) var<storage, read_write> margins: array<i32>;

@compute @workgroup_size(256)
fn add_leaves(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let u = id.y + pass_.first;
  let root = unit(u, UNIT_NODES);
  for (var position = id.x; position < unit(u, UNIT_POSITIONS); position += groups.x * 256u) {
    let row = tables[unit(u, UNIT_ROWS) + position];
    var node = root * NODE_STRIDE;
    while (nodes[node + NODE_FEATURE] != NONE) {
      let child = nodes[node + NODE_LEFT] + select(1u, 0u, goes_left(node, row));
      node = (root + child) * NODE_STRIDE;
    }
    let at = unit(u, UNIT_MARGINS) + position * unit(u, UNIT_CLASSES) + unit(u, UNIT_CLASS);
    margins[at] = clamp_margin(margins[at] + i32(nodes[node + NODE_LEAF]));
  }
}
