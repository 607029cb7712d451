// The features that each node of a level may be split on (docs/numerics.md section 6): three draws, each of the features
// with the smallest keys. One workgroup a node; its features' keys lie in a stretch of `drawn`.
@group(0) @binding(0) var<uniform> pass_: Pass;
@group(0) @binding(1) var<storage, read> units: array<u32>;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> nodes: array<u32>;
@group(0) @binding(4) var<storage, read_write> masks: array<atomic<u32>>;
@group(0) @binding(5) var<storage, read_write> drawn: array<u32>;

fn seed_of(u: u32) -> Wide { return Wide(unit(u, UNIT_SEED), unit(u, UNIT_SEED + 1u)); }

@compute @workgroup_size(64)
fn draw(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let u = group.y + pass_.first;
  let level_end = state[u * STATE_STRIDE + STATE_LEVEL_END];
  let id = state[u * STATE_STRIDE + STATE_LEVEL_START] + pass_.start + group.x;
  if (id >= level_end || unit(u, UNIT_DRAWS) == 0u) { return; }
  let class_index = unit(u, UNIT_CLASS);
  let features = pass_.features;
  let words = (features + 31u) / 32u;
  let mask = ((u - pass_.first) * pass_.width + pass_.start + group.x) * words;
  let keys = ((u - pass_.first) * pass_.width + pass_.start + group.x) * features;
  for (var w = lane; w < words; w += 64u) {
    let rest = features - w * 32u;
    atomicStore(&masks[mask + w], select((1u << (rest % 32u)) - 1u, NONE, rest >= 32u));
  }
  let heap = nodes[(unit(u, UNIT_NODES) + id) * NODE_STRIDE + NODE_HEAP];
  let word = philox(vec4<u32>(heap, round_of(u), PURPOSE_NODE, class_index), seed_of(u)).x;
  for (var step = 0u; step < 3u; step++) {
    let wanted = unit(u, UNIT_DRAWN + step);
    if (wanted == 0u) { continue; }
    storageBarrier();
    for (var f = lane; f < features; f += 64u) {
      var counter = vec4<u32>(f, round_of(u), PURPOSE_BYTREE, class_index);
      if (step == 1u) { counter.z = PURPOSE_BYLEVEL + 256u * pass_.depth; }
      if (step == 2u) { counter = vec4<u32>(f, word, PURPOSE_BYNODE, class_index); }
      drawn[keys + f] = philox(counter, seed_of(u)).x;
    }
    storageBarrier();
    // Lanes still compare with what leaves the mask: it is noted beside it first.
    for (var f = lane; f < features; f += 64u) {
      if (((atomicLoad(&masks[mask + f / 32u]) >> (f % 32u)) & 1u) == 0u) { continue; }
      let key = drawn[keys + f];
      var before = 0u;
      for (var other = 0u; other < features && before < wanted; other++) {
        if (((atomicLoad(&masks[mask + other / 32u]) >> (other % 32u)) & 1u) == 0u) { continue; }
        let theirs = drawn[keys + other];
        if (theirs < key || (theirs == key && other < f)) { before++; }
      }
      if (before >= wanted) { atomicOr(&masks[pass_.leaving + mask + f / 32u], 1u << (f % 32u)); }
    }
    storageBarrier();
    for (var w = lane; w < words; w += 64u) {
      atomicAnd(&masks[mask + w], ~atomicExchange(&masks[pass_.leaving + mask + w], 0u));
    }
  }
}
