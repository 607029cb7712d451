// The rows of a scored row set: where they lie among the positions of their job, and what they weigh.
fn eval_position(e: u32, i: u32) -> u32 {
  let listed = eval_field(e, EVAL_LISTED);
  if (listed == NONE) { return eval_field(e, EVAL_FIRST) + i; }
  return positions[listed + i];
}

fn eval_weight(e: u32, i: u32) -> u32 {
  let start = eval_field(e, EVAL_WEIGHTS);
  if (start == NONE) { return 16777216u; }
  return weights[start + i];
}
