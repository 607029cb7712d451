/**
 * The normal distribution and its error function: FreeBSD's msun, `s_erf.c` (Sun Microsystems 1993), whose error is below one unit in
 * the last place.
 */

const SQRT_2 = Math.SQRT2;
export const LOG_SQRT_2PI = Math.log(Math.sqrt(2 * Math.PI));
const LOGISTIC_SCALE = Math.sqrt(3) / Math.PI;

const ERX = 0.8450629115104675;
const EFX = 0.1283791670955126;

/** erf(x)/x − 1 for |x| < 0.84375. */
function smallRatio(z: number): number {
  const p =
    0.12837916709551256 +
    z *
      (-0.3250421072470015 +
        z * (-0.02848174957559851 + z * (-0.005770270296489442 + z * -2.3763016656650163e-5)));
  const q =
    1 +
    z *
      (0.39791722395915535 +
        z *
          (0.0650222499887673 +
            z * (0.005081306281875766 + z * (0.00013249473800432164 + z * -3.960228278775368e-6))));
  return p / q;
}

/** erf(x) − ERX for 0.84375 ≤ x < 1.25, s = x − 1. */
function middleRatio(s: number): number {
  const p =
    -0.0023621185607526594 +
    s *
      (0.41485611868374833 +
        s *
          (-0.3722078760357013 +
            s *
              (0.31834661990116175 +
                s * (-0.11089469428239668 + s * (0.035478304325618236 + s * -0.002166375594868791)))));
  const q =
    1 +
    s *
      (0.10642088040084423 +
        s *
          (0.540397917702171 +
            s *
              (0.07182865441419627 +
                s * (0.12617121980876164 + s * (0.01363708391202905 + s * 0.011984499846799107)))));
  return p / q;
}

/** erfc(x) for x ≥ 1.25. */
function tail(x: number): number {
  const s = 1 / (x * x);
  let r: number;
  let q: number;
  if (x < 1 / 0.35) {
    r =
      -0.009864944034847148 +
      s *
        (-0.6938585727071818 +
          s *
            (-10.558626225323291 +
              s *
                (-62.375332450326006 +
                  s *
                    (-162.39666946257347 +
                      s * (-184.60509290671104 + s * (-81.2874355063066 + s * -9.814329344169145))))));
    q =
      1 +
      s *
        (19.651271667439257 +
          s *
            (137.65775414351904 +
              s *
                (434.56587747522923 +
                  s *
                    (645.3872717332679 +
                      s *
                        (429.00814002756783 +
                          s * (108.63500554177944 + s * (6.570249770319282 + s * -0.0604244152148581)))))));
  } else {
    if (x > 28) return 0;
    r =
      -0.0098649429247001 +
      s *
        (-0.799283237680523 +
          s *
            (-17.757954917754752 +
              s *
                (-160.63638485582192 +
                  s * (-637.5664433683896 + s * (-1025.0951316110772 + s * -483.5191916086514)))));
    q =
      1 +
      s *
        (30.33806074348246 +
          s *
            (325.7925129965739 +
              s *
                (1536.729586084437 +
                  s *
                    (3199.8582195085955 +
                      s * (2553.0504064331644 + s * (474.52854120695537 + s * -22.44095244658582))))));
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

/** The x for which logNdtr(x) is y < 0, by Newton's method; relative error of about 1e-15. */
export function inverseLogNdtr(y: number): number {
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
