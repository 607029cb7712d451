// Where the rows of a ranking are on their way to being sorted.
fn lowest_of(r: u32) -> u32 { return ~ranges[2u * r + 1u]; }

fn digits_of(r: u32) -> u32 { return (39u - countLeadingZeros(ranges[2u * r] - lowest_of(r))) / 8u; }

/** The first row before the pass of a digit. */
fn rows_before(r: u32, digit: u32) -> u32 { return rank_field(r, RANK_ROWS) + (digit & 1u) * rank_rows(r); }
