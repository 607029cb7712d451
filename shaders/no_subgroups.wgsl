// Subgroups of one invocation each, for adapters that have none: the twin of subgroups.wgsl.
struct Place {
  lane: u32,
  subgroup: u32,
  is_last: bool,
}

fn place_of(index: u32) -> Place { return Place(index, index, true); }
fn subgroups_in_all() -> u32 { return LANES; }

fn subgroup_leads() -> bool { return true; }
fn subgroup_first(value: u32) -> u32 { return value; }
fn subgroup_max(value: u32) -> u32 { return value; }
fn subgroup_sum(value: u32) -> u32 { return value; }
fn subgroup_sums(values: vec4<u32>) -> vec4<u32> { return values; }
fn subgroup_sum_before(value: u32) -> u32 { return 0u; }
fn subgroup_pairs_through(pair: vec4<u32>) -> vec4<u32> { return pair; }
