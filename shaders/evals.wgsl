// The buffer `scores`: scored row sets, then rankings of them by the margin or, with several classes, by the log-odds of a
// class. A ranked row is the offset of its margin from −2^30, then its weight above its label. A ranking has two stretches
// of rows, between which they move a digit at a time.
fn eval_field(e: u32, field: u32) -> u32 { return scores[e * EVAL_STRIDE + field]; }

fn rank_field(r: u32, field: u32) -> u32 { return scores[pass_.ranks + r * RANK_STRIDE + field]; }

fn rank_rows(r: u32) -> u32 { return eval_field(rank_field(r, RANK_EVAL), EVAL_ROWS); }
