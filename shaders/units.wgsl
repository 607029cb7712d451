fn unit(u: u32, field: u32) -> u32 { return units[u * UNIT_STRIDE + field]; }

/** The round that a unit trains, from 0, those before the batch included. */
fn round_of(u: u32) -> u32 { return pass_.round + unit(u, UNIT_RESUMED); }
