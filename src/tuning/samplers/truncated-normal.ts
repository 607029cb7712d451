/**
 * The truncated normal distribution, by the formulas of Optuna's `_truncnorm.py` (which are SciPy's), and the error function of
 * FreeBSD's msun, `s_erf.c` (Sun Microsystems 1993), whose error is below one unit in the last place.
 */

const SQRT_2 = Math.SQRT2;
export const LOG_SQRT_2PI = Math.log(Math.sqrt(2 * Math.PI));
const LOGISTIC_SCALE = Math.sqrt(3) / Math.PI;

const ERX = 8.45062911510467529297e-1;
const EFX = 1.28379167095512586316e-1;

/** erf(x)/x − 1 for |x| < 0.84375. */
function smallRatio(z: number): number {
  const p =
    1.28379167095512558561e-1 +
    z *
      (-3.2504210724700149937e-1 +
        z * (-2.84817495755985104766e-2 + z * (-5.77027029648944159157e-3 + z * -2.37630166566501626084e-5)));
  const q =
    1 +
    z *
      (3.97917223959155352819e-1 +
        z *
          (6.50222499887672944485e-2 +
            z *
              (5.08130628187576562776e-3 + z * (1.32494738004321644526e-4 + z * -3.9602282787753681232e-6))));
  return p / q;
}

/** erf(x) − ERX for 0.84375 ≤ x < 1.25, s = x − 1. */
function middleRatio(s: number): number {
  const p =
    -2.36211856075265944077e-3 +
    s *
      (4.14856118683748331666e-1 +
        s *
          (-3.72207876035701323847e-1 +
            s *
              (3.18346619901161753674e-1 +
                s *
                  (-1.10894694282396677476e-1 +
                    s * (3.54783043256182359371e-2 + s * -2.166375594868790843e-3)))));
  const q =
    1 +
    s *
      (1.06420880400844228286e-1 +
        s *
          (5.40397917702171048937e-1 +
            s *
              (7.18286544141962662868e-2 +
                s *
                  (1.26171219808761642112e-1 +
                    s * (1.36370839120290507362e-2 + s * 1.1984499846799107417e-2)))));
  return p / q;
}

/** erfc(x) for x ≥ 1.25. */
function tail(x: number): number {
  const s = 1 / (x * x);
  let r: number;
  let q: number;
  if (x < 1 / 0.35) {
    r =
      -9.86494403484714822705e-3 +
      s *
        (-6.93858572707181764372e-1 +
          s *
            (-1.05586262253232909814e1 +
              s *
                (-6.23753324503260060396e1 +
                  s *
                    (-1.62396669462573470355e2 +
                      s *
                        (-1.84605092906711035994e2 +
                          s * (-8.12874355063065934246e1 + s * -9.81432934416914548592))))));
    q =
      1 +
      s *
        (1.96512716674392571292e1 +
          s *
            (1.376577541435190426e2 +
              s *
                (4.34565877475229228821e2 +
                  s *
                    (6.45387271733267880336e2 +
                      s *
                        (4.29008140027567833386e2 +
                          s *
                            (1.08635005541779435134e2 +
                              s * (6.57024977031928170135 + s * -6.04244152148580987438e-2)))))));
  } else {
    if (x > 28) return 0;
    r =
      -9.86494292470009928597e-3 +
      s *
        (-7.99283237680523006574e-1 +
          s *
            (-1.77579549177547519889e1 +
              s *
                (-1.60636384855821916062e2 +
                  s *
                    (-6.37566443368389627722e2 +
                      s * (-1.02509513161107724954e3 + s * -4.83519191608651397019e2)))));
    q =
      1 +
      s *
        (3.03380607434824582924e1 +
          s *
            (3.25792512996573918826e2 +
              s *
                (1.53672958608443695994e3 +
                  s *
                    (3.19985821950859553908e3 +
                      s *
                        (2.55305040643316442583e3 +
                          s * (4.74528541206955367215e2 + s * -2.24409524465858183362e1))))));
  }
  // exp(−x²) in two factors: the square of the rounded z is exact, so that the rounding of x² is not magnified.
  const z = Math.fround(x);
  return (Math.exp(-z * z - 0.5625) * Math.exp((z - x) * (z + x) + r / q)) / x;
}

/** The error function. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a < 0.84375) return a < 2 ** -28 ? x + EFX * x : x + x * smallRatio(x * x);
  const y = a < 1.25 ? ERX + middleRatio(a - 1) : a < 6 ? 1 - tail(a) : a >= 6 ? 1 : Number.NaN;
  return x < 0 ? -y : y;
}

/** 1 − erf(x), accurate in the right tail too. */
export function erfc(x: number): number {
  const a = Math.abs(x);
  if (a < 0.84375) {
    if (x < 0.25) return 1 - (x + x * smallRatio(x * x));
    return 0.5 - (x - 0.5 + x * smallRatio(x * x));
  }
  if (a < 1.25) return x < 0 ? 1 + ERX + middleRatio(a - 1) : 1 - ERX - middleRatio(a - 1);
  return x < 0 ? 2 - (a < 6 ? tail(a) : 0) : tail(a);
}

/** Logarithm of the normal distribution function, accurate in the left tail. */
export function logNdtr(a: number): number {
  if (a > 6) return -0.5 * erfc(a / SQRT_2);
  if (a > -20) {
    const x = a / SQRT_2;
    if (x < -Math.SQRT1_2) return Math.log(0.5 * erfc(-x));
    return Math.log(x < Math.SQRT1_2 ? 0.5 + 0.5 * erf(x) : 1 - 0.5 * erfc(x));
  }
  // The asymptotic series of the tail, to the first term that changes nothing.
  const square = 1 / (a * a);
  let sum = 1;
  let last = 0;
  let term = 1;
  for (let i = 1; Math.abs(last - sum) > Number.EPSILON; i++) {
    last = sum;
    term *= -square * (2 * i - 1);
    sum += term;
  }
  return -0.5 * a * a - Math.log(-a) - LOG_SQRT_2PI + Math.log(sum);
}

function leftLogMass(a: number, b: number): number {
  const upper = logNdtr(b);
  return upper + Math.log1p(-Math.exp(logNdtr(a) - upper));
}

/**
 * Logarithm of the probability that a standard normal variable lies between a and b, a ≤ b. Works in the tail where the interval lies,
 * since 1 − Φ cancels in the other.
 */
export function logGaussMass(a: number, b: number): number {
  if (b <= 0) return leftLogMass(a, b);
  if (a > 0) return leftLogMass(-b, -a);
  return Math.log1p(-(0.5 + 0.5 * erf(a / SQRT_2)) - (0.5 + 0.5 * erf(-b / SQRT_2)));
}

/** The x for which logNdtr(x) is y < 0, by Newton's method; relative error of about 1e-15. */
function inverseLogNdtr(y: number): number {
  const flipped = y > -1e-2;
  const z = flipped ? Math.log(-Math.expm1(y)) : y;
  let x = z < -5 ? -Math.sqrt(-2 * (z + LOG_SQRT_2PI)) : -LOGISTIC_SCALE * Math.log(Math.expm1(-z));
  for (let i = 0; i < 100; i++) {
    const value = logNdtr(x);
    const step = (value - z) * Math.exp(value + 0.5 * x * x + LOG_SQRT_2PI);
    x -= step;
    if (!(Math.abs(step) >= 1e-8 * Math.abs(x))) break;
  }
  return flipped ? -x : x;
}

function logAddExp(p: number, q: number): number {
  if (p === q) return p + Math.LN2;
  return Math.max(p, q) + Math.log1p(Math.exp(-Math.abs(p - q)));
}

/**
 * Quantile of the standard normal distribution truncated to [a, b].
 * @param q from 0 to 1
 * @returns NaN where a = b.
 */
export function ppf(q: number, a: number, b: number): number {
  if (a === b) return Number.NaN;
  if (q === 0) return a;
  if (q === 1) return b;
  const logMass = logGaussMass(a, b);
  if (a < 0) return inverseLogNdtr(logAddExp(logNdtr(a), Math.log(q) + logMass));
  return -inverseLogNdtr(logAddExp(logNdtr(-b), Math.log1p(-q) + logMass));
}

/**
 * Log-density at x of the normal distribution with a mean and a deviation, truncated to a and b, which are given in deviations from
 * the mean. −Infinity outside, NaN where a = b.
 */
export function logPdf(x: number, a: number, b: number, mean = 0, deviation = 1): number {
  if (a === b) return Number.NaN;
  const z = (x - mean) / deviation;
  if (z < a || z > b) return Number.NEGATIVE_INFINITY;
  return -(z * z) / 2 - LOG_SQRT_2PI - logGaussMass(a, b) - Math.log(deviation);
}
