import { type Choice, type Distribution, externalValue } from '../tuning/space.ts';
import type { Direction, Trial } from '../tuning/trial.ts';

export interface Tick {
  /** From 0 to 1 on the axis. */
  readonly position: number;
  readonly label: string;
}

/** An axis from 0 to 1 for what a study has of one parameter, or for its values. */
export interface Axis {
  readonly name: string;
  /** Whether equal distances are equal factors. */
  readonly log: boolean;
  readonly ticks: readonly Tick[];
}

export interface ParameterAxis extends Axis {
  /** Where a trial stands; undefined where it lacks the parameter. */
  readonly position: (trial: Trial) => number | undefined;
}

export interface ValueAxis extends Axis {
  /** Where a value stands; one beyond the axis, which may be infinite, stands at its end. */
  readonly position: (value: number) => number;
  readonly isBeyond: (value: number) => boolean;
}

const LABEL_LENGTH = 18;
/** Numbers beyond it are infinite to a chart: differences of larger ones may not be finite. */
const LARGEST = 1e100;
/** Room at either end of an axis of values. */
const PADDING = 0.05;
/** Fewer values have no quartiles worth the name. */
const OUTLIERS_FROM = 8;
const OUTLIER_RANGES = 4;

/** Text as a chart can show it: of bounded length, without characters that XML does not allow. */
export function label(text: string, length = LABEL_LENGTH): string {
  const characters = [...text.replace(/[\p{Cc}\p{Cs}\uFFFE\uFFFF]/gu, ' ')];
  return characters.length <= length ? characters.join('') : `${characters.slice(0, length - 1).join('')}…`;
}

const minimum = (values: readonly number[]) => values.reduce((a, b) => Math.min(a, b), Infinity);
const maximum = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b), -Infinity);

/** Round numbers within an interval, which is not empty, with labels of equally many digits. */
export function roundTicks(low: number, high: number, count: number): { value: number; label: string }[] {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw * 0.999)!;
  const exponent = Math.floor(Math.log10(step) + 1e-9);
  const largest = Math.max(Math.abs(low), Math.abs(high));
  const format = (value: number) => {
    if (value === 0) return '0';
    if (largest < 1e6 && exponent >= -6) return value.toFixed(Math.max(0, -exponent));
    return value.toExponential(Math.min(12, Math.max(0, Math.floor(Math.log10(Math.abs(value))) - exponent)));
  };
  const first = Math.ceil(low / step - 1e-9);
  const length = Math.max(0, Math.floor(high / step + 1e-9) - first + 1);
  return Array.from({ length: Math.min(length, 4 * count) }, (_, i) => {
    const value = (first + i) * step;
    return { value, label: format(value) };
  });
}

/** As `roundTicks`, of whole numbers alone. */
export function wholeTicks(low: number, high: number, count: number): { value: number; label: string }[] {
  return roundTicks(low, high, count)
    .filter(({ value }) => Number.isInteger(value))
    .map(({ value, label }) => ({ value, label: value < 1e6 ? String(value) : label }));
}

/** Powers of ten, or where fewer than two fit the ends. */
function logTicks(low: number, high: number): { value: number; label: string }[] {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const every = Math.max(1, Math.ceil((last - first) / 5));
  const powers: number[] = [];
  for (let power = first; power <= last; power += every) powers.push(10 ** power);
  const values = powers.length >= 2 ? powers : [low, high];
  return values.map((value) => ({ value, label: short(value) }));
}

function short(value: number): string {
  const text = String(Number(value.toPrecision(3)));
  return text.length <= 7 ? text : value.toExponential(0);
}

function numericAxis(
  name: string,
  distributions: readonly Exclude<Distribution, { type: 'categorical' }>[],
): ParameterAxis {
  const low = minimum(distributions.map((of) => of.low));
  const high = maximum(distributions.map((of) => of.high));
  const log = low > 0 && distributions.every((of) => of.log);
  const scale = log ? Math.log : (x: number) => x;
  const width = scale(high) - scale(low);
  // A parameter with one value stands in the middle.
  const at = (value: number) => (width > 0 ? (scale(value) - scale(low)) / width : 0.5);
  const ticks =
    width === 0
      ? [{ value: low, label: short(low) }]
      : log
        ? logTicks(low, high)
        : distributions.some(({ type }) => type === 'float')
          ? roundTicks(low, high, 4)
          : wholeTicks(low, high, 4);
  return {
    name,
    log,
    ticks: ticks.map((tick) => ({ position: at(tick.value), label: tick.label })),
    position: ({ params }) => {
      const param = params.get(name);
      return param === undefined || param.distribution.type === 'categorical' ? undefined : at(param.value);
    },
  };
}

function categoricalAxis(name: string, distributions: readonly Distribution[]): ParameterAxis {
  const choices: Choice[] = [];
  for (const distribution of distributions) {
    if (distribution.type !== 'categorical') continue;
    for (const choice of distribution.choices) if (!choices.includes(choice)) choices.push(choice);
  }
  const at = (index: number) => (choices.length > 1 ? index / (choices.length - 1) : 0.5);
  return {
    name,
    log: false,
    ticks: choices.map((choice, index) => ({ position: at(index), label: label(String(choice)) })),
    position: ({ params }) => {
      const param = params.get(name);
      if (param?.distribution.type !== 'categorical') return undefined;
      return at(choices.indexOf(externalValue(param.distribution, param.value)));
    },
  };
}

/** An axis for each parameter that a trial has, in the order in which they occur. */
export function parameterAxes(trials: readonly Trial[]): ParameterAxis[] {
  const distributions = new Map<string, Set<Distribution>>();
  for (const { params } of trials) {
    for (const [name, { distribution }] of params) {
      const known = distributions.get(name) ?? new Set();
      distributions.set(name, known.add(distribution));
    }
  }
  return [...distributions].map(([name, set]) => {
    const all = [...set];
    const numeric = all.filter((distribution) => distribution.type !== 'categorical');
    return numeric.length === all.length ? numericAxis(name, numeric) : categoricalAxis(name, all);
  });
}

/**
 * An axis for values of a metric. It reaches to the best one, and to the worst one unless that lies so far off that the others could
 * not be told apart.
 */
export function valueAxis(name: string, values: readonly number[], direction: Direction): ValueAxis {
  const sign = direction === 'minimize' ? 1 : -1;
  const losses = values.filter((value) => Math.abs(value) < LARGEST).map((value) => sign * value);
  losses.sort((a, b) => a - b);
  const best = losses[0] ?? 0;
  let worst = losses.at(-1) ?? 1;
  if (losses.length >= OUTLIERS_FROM) {
    const quartile = losses[Math.floor(losses.length * 0.75)]!;
    const limit = quartile + OUTLIER_RANGES * (quartile - best);
    if (limit > best) worst = losses.findLast((loss) => loss <= limit)!;
  }
  const half = worst > best ? (worst - best) * PADDING : Math.abs(best) * PADDING || 1;
  const [near, far] = [sign * (best - half), sign * (worst + half)];
  const [low, high] = near < far ? [near, far] : [far, near];
  const at = (value: number) => Math.min(Math.max((value - low) / (high - low), 0), 1);
  return {
    name,
    log: false,
    // Without a finite value there is no scale to speak of.
    ticks: (losses.length === 0 ? [] : roundTicks(low, high, 5)).map((tick) => ({
      position: at(tick.value),
      label: tick.label,
    })),
    position: at,
    isBeyond: (value) => value < low || value > high,
  };
}
