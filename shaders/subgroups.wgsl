// What lanes.wgsl asks of subgroups; all of it in uniform control flow.
struct Place {
  lane: u32,  // of the invocation: those of a subgroup are neighbours
  subgroup: u32,
  is_last: bool,  // of its subgroup
}

/** Invocations with a place, and above 16 bits subgroups. */
var<workgroup> placed: atomic<u32>;
var<workgroup> subgroups_placed: u32;

/**
 * WGSL does not say which invocations make a subgroup, nor that all of its lanes are taken. So a subgroup takes the next
 * places. For one call in a kernel.
 */
fn place_of(index: u32) -> Place {
  let size = subgroupAdd(1u);
  let before = subgroupExclusiveAdd(1u);
  var first = 0u;
  if (subgroupElect()) { first = atomicAdd(&placed, size | 0x10000u); }
  first = subgroupBroadcastFirst(first);
  workgroupBarrier();
  if (index == 0u) { subgroups_placed = atomicLoad(&placed) >> 16u; }
  return Place((first & 0xffffu) + before, first >> 16u, before + 1u == size);
}

/** Behind `place_of`. */
fn subgroups_in_all() -> u32 { return workgroupUniformLoad(&subgroups_placed); }

fn subgroup_leads() -> bool { return subgroupElect(); }
/** What the invocation has that leads. */
fn subgroup_first(value: u32) -> u32 { return subgroupBroadcastFirst(value); }
fn subgroup_max(value: u32) -> u32 { return subgroupMax(value); }
fn subgroup_sum(value: u32) -> u32 { return subgroupAdd(value); }
fn subgroup_sums(values: vec4<u32>) -> vec4<u32> { return subgroupAdd(values); }
fn subgroup_sum_before(value: u32) -> u32 { return subgroupExclusiveAdd(value); }

/** Sums of 64 bits over the invocations up to this one: 128 parts of 25 bits, the most there are, fit 32. */
fn subgroup_pairs_through(pair: vec4<u32>) -> vec4<u32> {
  let mask = 0x1ffffffu;
  let a = subgroupInclusiveAdd(vec3<u32>(pair.x & mask, ((pair.x >> 25u) | (pair.y << 7u)) & mask, pair.y >> 18u));
  let b = subgroupInclusiveAdd(vec3<u32>(pair.z & mask, ((pair.z >> 25u) | (pair.w << 7u)) & mask, pair.w >> 18u));
  return vec4<u32>(join_parts(a), join_parts(b));
}

fn join_parts(parts: vec3<u32>) -> Wide {
  return wide_add(wide_add(Wide(parts.x, 0u), wide_shl(Wide(parts.y, 0u), 25u)), Wide(0u, parts.z << 18u));
}
