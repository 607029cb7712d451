import type { Distribution } from '../space.ts';

/** Strings, which are passed over, and the numbers that Python writes and JSON does not have. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g;
const MARK = '\u0000number:';

/**
 * Reads a line of JSON as Python's json does, with NaN, Infinity and -Infinity as numbers.
 * @throws SyntaxError for anything else.
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const marked = text.replace(TOKENS, (token) => (token[0] === '"' ? token : JSON.stringify(MARK + token)));
    if (marked === text) throw error;
    return JSON.parse(marked, (_key, value: unknown) =>
      typeof value === 'string' && value.startsWith(MARK) ? Number(value.slice(MARK.length)) : value,
    );
  }
}

/** A number that Python's json reads as a float, not as an int. */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

function floatText(value: number): string {
  const text = Object.is(value, -0) ? '-0' : String(value);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}

/**
 * JSON on one line, as Python's json reads it; numbers that are not finite by Python's names, and those that are not whole, −0, and
 * each Float as Python's floats.
 */
export function formatJson(value: unknown): string {
  if (value instanceof Float) return floatText(value.value);
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : floatText(value);
  }
  if (Array.isArray(value)) return `[${value.map(formatJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${formatJson(item)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}

/** A distribution as the journal has it: JSON in a string. */
export function formatDistribution(distribution: Distribution): string {
  switch (distribution.type) {
    case 'float': {
      const { low, high, log } = distribution;
      const step = distribution.step === undefined ? null : new Float(distribution.step);
      const attributes = { step, low: new Float(low), high: new Float(high), log };
      return formatJson({ name: 'FloatDistribution', attributes });
    }
    case 'int': {
      const { low, high, log, step } = distribution;
      return formatJson({ name: 'IntDistribution', attributes: { log, step, low, high } });
    }
    case 'categorical': {
      const { choices } = distribution;
      return formatJson({ name: 'CategoricalDistribution', attributes: { choices } });
    }
  }
}

interface DistributionJson {
  readonly name: string;
  readonly attributes: Record<string, unknown>;
}

/** Reads one of Optuna's distributions; undefined where it is none of the three. */
export function parseDistribution(text: string): Distribution | undefined {
  const { name, attributes } = parseJson(text) as DistributionJson;
  const {
    low,
    high,
    log = false,
    step,
    choices,
  } = attributes as {
    low: number;
    high: number;
    log?: boolean;
    step?: number | null;
    choices: (string | number | boolean | null)[];
  };
  switch (name) {
    case 'FloatDistribution':
      return { type: 'float', low, high, log, ...(step != null && { step }) };
    case 'IntDistribution':
      return { type: 'int', low, high, log, step: step ?? 1 };
    case 'CategoricalDistribution':
      return { type: 'categorical', choices };
    default:
      return undefined;
  }
}
