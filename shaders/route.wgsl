// Which way a row goes at a split: code 0 is missing.
fn goes_left(node: u32, row: u32) -> bool {
  let feature = nodes[node + NODE_FEATURE];
  let split = nodes[node + NODE_SPLIT];
  let code = (bins[row * pass_.stride + feature / 4u] >> (feature % 4u * 8u)) & 0xffu;
  if (code == 0u) { return (split & 0x100u) != 0u; }
  if ((split & 0x200u) != 0u) { return ((nodes[node + NODE_CODES + code / 32u] >> (code % 32u)) & 1u) != 0u; }
  return code <= (split & 0xffu);
}
