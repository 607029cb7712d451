fn unit(u: u32, field: u32) -> u32 { return units[u * UNIT_STRIDE + field]; }
