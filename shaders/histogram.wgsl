// Histograms of the nodes of a level that are built from rows: the root, and the smaller child of each pair; in direct
// mode, where the memory does not hold those of a level, every node of a portion. A workgroup
// takes a group of features and a share of a node's rows, adds in workgroup memory, and flushes to the 64-bit cells.
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> units: array<u32>;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> nodes: array<u32>;
@group(0) @binding(4) var<storage, read> tables: array<u32>;
@group(0) @binding(5) var<storage, read> order: array<u32>;
@group(0) @binding(6) var<storage, read> gradients: array<vec2<i32>>;
@group(0) @binding(7) var<storage, read> bins: array<u32>;
@group(0) @binding(8) var<storage, read_write> cells: array<atomic<u32>>;

/** Words of a cell in workgroup memory: 2 where partial sums fit 32 bits, 4 where they carry. */
override WORDS: u32;

var<workgroup> partial: array<atomic<u32>, HISTOGRAM_WORDS>;

fn add_wide(at: u32, low: u32, high: u32) {
  let old = atomicAdd(&partial[at], low);
  let carried = high + select(0u, 1u, old + low < old);
  if (carried != 0u) { atomicAdd(&partial[at + 1u], carried); }
}

/** The cells of a node that one workgroup has to itself are written, others added to. */
fn flush(at: u32, value: Wide) {
  if (pass_.shares == 1u) {
    atomicStore(&cells[at], value.x);
    atomicStore(&cells[at + 1u], value.y);
    return;
  }
  if (wide_is_zero(value)) { return; }
  let old = atomicAdd(&cells[at], value.x);
  let high = value.y + select(0u, 1u, old + value.x < old);
  if (high != 0u) { atomicAdd(&cells[at + 1u], high); }
}

@compute @workgroup_size(HISTOGRAM_LANES)
fn build(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let u = group.y + pass_.first;
  if (pass_.depth >= unit(u, UNIT_DEPTH)) { return; }
  let share = group.z % pass_.shares;
  let features = tables[select(0u, 1u, WORDS == 4u)] + (group.z / pass_.shares) * 4u;
  let first_feature = tables[features];
  let feature_end = tables[features + 1u];
  let first_cell = tables[features + 2u];
  let cell_count = tables[features + 3u];
  let level_end = state[u * STATE_STRIDE + STATE_LEVEL_END];
  let id = state[u * STATE_STRIDE + STATE_LEVEL_START] + pass_.start + group.x;
  if (id >= level_end) { return; }
  let node = (unit(u, UNIT_NODES) + id) * NODE_STRIDE;
  if (pass_.direct == 0u && nodes[node + NODE_MINUS] != NONE) { return; }
  let count = nodes[node + NODE_COUNT];
  if (share > 0u && share * HISTOGRAM_LANES >= count) { return; }
  let rows = unit(u, UNIT_ORDER) + nodes[node + NODE_BEGIN];
  for (var i = share * HISTOGRAM_LANES + lane; i < count; i += pass_.shares * HISTOGRAM_LANES) {
    let position = order[rows + i];
    let pair = gradients[unit(u, UNIT_GRADIENTS) + position];
    let row = tables[unit(u, UNIT_ROWS) + position] * pass_.stride;
    var word = 0u;
    for (var f = first_feature; f < feature_end; f++) {
      if (f == first_feature || f % 4u == 0u) { word = bins[row + f / 4u]; }
      let code = (word >> (f % 4u * 8u)) & 0xffu;
      let at = (tables[FEATURES + f * 4u] + code - first_cell) * WORDS;
      if (WORDS == 2u) {
        atomicAdd(&partial[at], u32(pair.x));
        atomicAdd(&partial[at + 1u], u32(pair.y));
      } else {
        add_wide(at, u32(pair.x), u32(pair.x >> 31u));
        add_wide(at + 2u, u32(pair.y), 0u);
      }
    }
  }
  workgroupBarrier();
  let target_cell = (unit(u, UNIT_SLOTS) + select(nodes[node + NODE_SLOT], group.x, pass_.direct != 0u)) * pass_.cells + first_cell;
  for (var i = lane; i < cell_count; i += HISTOGRAM_LANES) {
    let at = (target_cell + i) * 4u;
    if (WORDS == 2u) {
      flush(at, wide_of_i32(i32(atomicLoad(&partial[i * 2u]))));
      flush(at + 2u, Wide(atomicLoad(&partial[i * 2u + 1u]), 0u));
    } else {
      flush(at, Wide(atomicLoad(&partial[i * 4u]), atomicLoad(&partial[i * 4u + 1u])));
      flush(at + 2u, Wide(atomicLoad(&partial[i * 4u + 2u]), atomicLoad(&partial[i * 4u + 3u])));
    }
  }
}
