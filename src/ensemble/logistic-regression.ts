import { expNegative } from '../numerics/link.ts';
import { rint } from '../numerics/power.ts';
import { type LinearRows, widthOf } from './linear-rows.ts';

/** What a logistic regression is fitted to. */
export interface ClassifiedRows extends LinearRows {
  /** Class of each row, from 0. */
  readonly label: ArrayLike<number>;
  /** 2: one log-odds, that of class 1; more: one for each class. */
  readonly classes: number;
  /** One a row; all ones by default. */
  readonly weight?: ArrayLike<number> | undefined;
}

/** A row of coefficients and an intercept for each log-odds. */
export interface LinearModel {
  readonly coefficients: number[][];
  readonly intercept: number[];
}

const MAX_NEWTON = 100;
const MAX_HALVINGS = 40;
/** A step that should gain less than this part of the loss is taken unseen: the loss is rounded, and the platform's logarithm is in it. */
const LEAST_GAIN = 1e-10;

/**
 * L2-regularised logistic regression, binary or multinomial: minimises Σ weight · loss + Σ penalty · coefficient² / (2C), intercepts free,
 * as `sklearn.linear_model.LogisticRegression(C)` does, to a gradient of 1e-10 of the rows' weight. Newton's method, each step by conjugate
 * gradients with the Hessian's diagonal as preconditioner (Nocedal and Wright, Numerical Optimization, 7.1).
 * @param c inverse of the strength of regularisation, > 0
 */
export function fitLogisticRegression(rows: ClassifiedRows, c = 1): LinearModel {
  const problem = new Problem(rows, 1 / c);
  const { size } = problem;
  const theta = new Float64Array(size);
  let value = problem.evaluate(theta);
  for (let iteration = 0; iteration < MAX_NEWTON; iteration++) {
    const gradient = problem.gradient(theta);
    const norm = largest(gradient);
    if (norm <= 1e-10 * problem.totalWeight) break;
    const step = conjugateGradients(problem, gradient);
    const slope = dot(gradient, step);
    let length = 1;
    let next = theta;
    let halvings = 0;
    for (; halvings < MAX_HALVINGS; halvings++, length /= 2) {
      next = theta.map((t, i) => t + length * step[i]!);
      const reached = problem.evaluate(next);
      if (-slope <= LEAST_GAIN * value || reached <= value + 1e-4 * length * slope) {
        value = reached;
        break;
      }
    }
    // Rounding leaves nothing to gain.
    if (halvings === MAX_HALVINGS) break;
    theta.set(next);
  }
  const stride = widthOf(rows) + 1;
  const outputs = size / stride;
  if (rows.penalty && outputs > 1) balance(theta, stride);
  return {
    coefficients: Array.from({ length: outputs }, (_, k) =>
      Array.from(theta.subarray(k * stride, (k + 1) * stride - 1)),
    ),
    intercept: Array.from({ length: outputs }, (_, k) => theta[(k + 1) * stride - 1]!),
  };
}

/**
 * Makes the coefficients of each column, and the intercepts, sum to 0 over the classes, as coefficients do at the minimum: a constant added
 * to them changes no probability, so that where the penalty is next to nothing steps cannot tell.
 */
function balance(theta: Float64Array, stride: number): void {
  const outputs = theta.length / stride;
  for (let j = 0; j < stride; j++) {
    let sum = 0;
    for (let k = 0; k < outputs; k++) sum += theta[k * stride + j]!;
    for (let k = 0; k < outputs; k++) theta[k * stride + j]! -= sum / outputs;
  }
}

/** e^x for x ≤ 0, of x to 40 binary places: the platform's own may differ in the last bit, and with it the steps. */
const exponential = (x: number) => expNegative(rint(Math.min(-x, 2048) * 2 ** 40) / 2 ** 40);

const largest = (values: Float64Array) => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** −H⁻¹ gradient, to a tenth of what is left of the gradient or better. */
function conjugateGradients(problem: Problem, gradient: Float64Array): Float64Array {
  const diagonal = problem.hessianDiagonal();
  const step = new Float64Array(gradient.length);
  const residual = gradient.map((g) => -g);
  let preconditioned = residual.map((r, i) => r / diagonal[i]!);
  const direction = preconditioned.slice();
  let product = dot(residual, preconditioned);
  const wanted = product * Math.min(1e-2, Math.sqrt(product)) ** 2;
  for (let i = 0; i < 2 * gradient.length + 20 && product > wanted && product > 0; i++) {
    const curved = problem.hessianTimes(direction);
    const length = product / dot(direction, curved);
    for (let j = 0; j < step.length; j++) {
      step[j]! += length * direction[j]!;
      residual[j]! -= length * curved[j]!;
    }
    preconditioned = residual.map((r, j) => r / diagonal[j]!);
    const before = product;
    product = dot(residual, preconditioned);
    for (let j = 0; j < direction.length; j++) {
      direction[j] = preconditioned[j]! + (product / before) * direction[j]!;
    }
  }
  return step;
}

/** Loss, gradient and Hessian. Parameters are one block an output: the coefficients, then the intercept. */
class Problem {
  readonly size: number;
  readonly totalWeight: number;
  readonly #rows: ClassifiedRows;
  readonly #count: number;
  readonly #outputs: number;
  readonly #stride: number;
  /** One a parameter. */
  readonly #penalties: Float64Array;
  readonly #hotPerRow: number;
  readonly #hotIndex: Int32Array;
  /** Of the parameters evaluated last: (rows, outputs). */
  readonly #probability: Float64Array;

  constructor(rows: ClassifiedRows, penalty: number) {
    this.#rows = rows;
    this.#count = rows.label.length;
    this.#outputs = rows.classes > 2 ? rows.classes : 1;
    this.#stride = widthOf(rows) + 1;
    this.size = this.#outputs * this.#stride;
    this.#penalties = Float64Array.from({ length: this.size }, (_, i) => {
      const column = i % this.#stride;
      if (column === this.#stride - 1) return 0;
      return column < rows.features && rows.penalty ? penalty * rows.penalty[column]! : penalty;
    });
    this.#hotPerRow = rows.hot?.perRow ?? 0;
    this.#hotIndex = rows.hot?.index ?? new Int32Array(0);
    this.#probability = new Float64Array(this.#count * this.#outputs);
    let total = 0;
    for (let row = 0; row < this.#count; row++) total += this.#weight(row);
    this.totalWeight = total;
  }

  #weight(row: number): number {
    return this.#rows.weight === undefined ? 1 : this.#rows.weight[row]!;
  }

  /** The parameter's product with a row and 1. */
  #score(theta: Float64Array, output: number, row: number): number {
    const { x, features } = this.#rows;
    const start = output * this.#stride;
    let sum = theta[start + this.#stride - 1]!;
    for (let j = 0; j < features; j++) sum += theta[start + j]! * x[row * features + j]!;
    const perRow = this.#hotPerRow;
    for (let h = row * perRow; h < (row + 1) * perRow; h++) {
      const column = this.#hotIndex[h]!;
      if (column >= 0) sum += theta[start + features + column]!;
    }
    return sum;
  }

  evaluate(theta: Float64Array): number {
    const { label } = this.#rows;
    const outputs = this.#outputs;
    const p = this.#probability;
    let loss = 0;
    for (let row = 0; row < this.#count; row++) {
      const own = label[row]!;
      if (outputs === 1) {
        const z = this.#score(theta, 0, row);
        const e = exponential(-Math.abs(z));
        p[row] = (z < 0 ? e : 1) / (1 + e);
        loss += this.#weight(row) * (Math.log1p(e) + Math.max(z, 0) - (own === 1 ? z : 0));
        continue;
      }
      let top = Number.NEGATIVE_INFINITY;
      for (let k = 0; k < outputs; k++) {
        const z = this.#score(theta, k, row);
        p[row * outputs + k] = z;
        top = Math.max(top, z);
      }
      const ownScore = p[row * outputs + own]!;
      let sum = 0;
      for (let k = 0; k < outputs; k++) {
        const e = exponential(p[row * outputs + k]! - top);
        p[row * outputs + k] = e;
        sum += e;
      }
      for (let k = 0; k < outputs; k++) p[row * outputs + k]! /= sum;
      loss += this.#weight(row) * (Math.log(sum) + top - ownScore);
    }
    return loss + theta.reduce((sum, t, i) => sum + this.#penalties[i]! * t * t, 0) / 2;
  }

  /** Adds a row's part, factor · (row, 1) for an output. */
  #add(sums: Float64Array, output: number, row: number, factor: number): void {
    const { x, features } = this.#rows;
    const start = output * this.#stride;
    for (let j = 0; j < features; j++) sums[start + j]! += factor * x[row * features + j]!;
    const perRow = this.#hotPerRow;
    for (let h = row * perRow; h < (row + 1) * perRow; h++) {
      const column = this.#hotIndex[h]!;
      if (column >= 0) sums[start + features + column]! += factor;
    }
    sums[start + this.#stride - 1]! += factor;
  }

  /** Σ over rows of factor(row, output) · (row, 1), with the penalty's part for `theta`. */
  #accumulate(theta: Float64Array, factors: Float64Array): Float64Array {
    const sums = theta.map((t, i) => this.#penalties[i]! * t);
    for (let row = 0; row < this.#count; row++) {
      for (let k = 0; k < this.#outputs; k++) this.#add(sums, k, row, factors[row * this.#outputs + k]!);
    }
    return sums;
  }

  /** At the parameters evaluated last. */
  gradient(theta: Float64Array): Float64Array {
    const { label } = this.#rows;
    const outputs = this.#outputs;
    const factors = this.#probability.map((p, i) => {
      const row = Math.floor(i / outputs);
      const isOwn = outputs === 1 ? label[row] === 1 : label[row] === i % outputs;
      return this.#weight(row) * (p - (isOwn ? 1 : 0));
    });
    return this.#accumulate(theta, factors);
  }

  hessianTimes(direction: Float64Array): Float64Array {
    const outputs = this.#outputs;
    const p = this.#probability;
    const factors = new Float64Array(p.length);
    for (let row = 0; row < this.#count; row++) {
      const weight = this.#weight(row);
      const first = row * outputs;
      if (outputs === 1) {
        factors[row] = weight * p[row]! * (1 - p[row]!) * this.#score(direction, 0, row);
        continue;
      }
      let mean = 0;
      for (let k = 0; k < outputs; k++) {
        const z = this.#score(direction, k, row);
        factors[first + k] = z;
        mean += p[first + k]! * z;
      }
      for (let k = 0; k < outputs; k++) {
        factors[first + k] = weight * p[first + k]! * (factors[first + k]! - mean);
      }
    }
    return this.#accumulate(direction, factors);
  }

  hessianDiagonal(): Float64Array {
    const { x, features } = this.#rows;
    const outputs = this.#outputs;
    const diagonal = new Float64Array(this.size);
    for (let row = 0; row < this.#count; row++) {
      for (let k = 0; k < outputs; k++) {
        const p = this.#probability[row * outputs + k]!;
        const factor = this.#weight(row) * p * (1 - p);
        const start = k * this.#stride;
        for (let j = 0; j < features; j++) diagonal[start + j]! += factor * x[row * features + j]! ** 2;
        const perRow = this.#hotPerRow;
        for (let h = row * perRow; h < (row + 1) * perRow; h++) {
          const column = this.#hotIndex[h]!;
          if (column >= 0) diagonal[start + features + column]! += factor;
        }
        diagonal[start + this.#stride - 1]! += factor;
      }
    }
    return diagonal.map((d, i) => {
      const penalised = d + this.#penalties[i]!;
      return penalised > 0 ? penalised : 1;
    });
  }
}
