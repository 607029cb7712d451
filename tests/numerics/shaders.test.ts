import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { findDawnAdapter } from '../../src/engine/dawn.ts';
import { evaluateSegment } from '../../src/numerics/link.ts';
import { lnQ30 } from '../../src/numerics/softmax.ts';
import { expTable, logTable, sigmoidTable, softplusTable } from '../../src/numerics/tables.ts';
import { Draws } from '../engine/generate.ts';
import { referencePhilox } from '../reference/philox.ts';

const opened = await findDawnAdapter()
  .then((adapter) => {
    const withSubgroups = adapter.features.has('subgroups');
    return adapter.requestDevice({ requiredFeatures: withSubgroups ? ['subgroups'] : [] });
  })
  .catch((error: Error) => error);

const shader = (name: string) => readFileSync(new URL(`../../shaders/${name}.wgsl`, import.meta.url), 'utf8');

const OPERATIONS = /* wgsl */ `
@group(0) @binding(0) var<storage, read> inputs: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> outputs: array<vec4<u32>>;
@group(0) @binding(2) var<uniform> operation: vec4<u32>;

@compute @workgroup_size(64)
fn run(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= arrayLength(&inputs)) { return; }
  let a = inputs[id.x].xy;
  let b = inputs[id.x].zw;
  var result = vec4<u32>(0u);
  switch (operation.x) {
    case 0u: { result = vec4<u32>(f64_add(a, b), 0u, 0u); }
    case 1u: { result = vec4<u32>(f64_mul(a, b), 0u, 0u); }
    case 2u: { result = vec4<u32>(f64_div(a, b), 0u, 0u); }
    case 3u: { result = vec4<u32>(f64_of_signed(a), f64_of_unsigned(a)); }
    case 4u: { result.x = u32(f64_to_i32(a)); }
    case 5u: { result = vec4<u32>(u32(f64_less(a, b)), u32(f64_less(b, a)), 0u, 0u); }
    case 6u: { result = vec4<u32>(multiply(a.x, b.x), u32(apply_weight(i32(a.x), b.x)), 0u); }
    default: { result = philox(inputs[id.x], Wide(id.x * 7919u, id.x / 3u)); }
  }
  outputs[id.x] = result;
}
`;

const FUNCTIONS = /* wgsl */ `
@group(0) @binding(0) var<storage, read> segments: array<vec2<i32>>;
@group(0) @binding(1) var<storage, read_write> outputs: array<vec4<i32>>;
@group(0) @binding(2) var<uniform> range: vec4<u32>;  // first argument, slope bits

const SEGMENTS_SOFTPLUS = 0u;
const SEGMENTS_EXP = 0u;
const SEGMENTS_LOG = 0u;

@compute @workgroup_size(64)
fn run(@builtin(global_invocation_id) id: vec3<u32>) {
  for (var k = 0u; k < 4u; k++) {
    outputs[id.x][k] = evaluate_segment(0u, range.x + id.x * 4u + k, range.y);
  }
}

@compute @workgroup_size(64)
fn logarithm(@builtin(global_invocation_id) id: vec3<u32>) {
  let sum = Wide(id.x * 2654435761u, (id.x >> 4u) & 63u) | Wide(0x40000000u, 0u);
  outputs[id.x] = vec4<i32>(vec2<i32>(ln_q30(sum)), vec2<i32>(sum));
}
`;

const LANES = /* wgsl */ `
@group(0) @binding(0) var<storage, read> inputs: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> outputs: array<vec4<u32>>;

@compute @workgroup_size(LANES)
fn run(@builtin(local_invocation_index) index: u32) {
  let place = place_of(index);
  let subgroups = subgroups_in_all();
  let own = inputs[place.lane];
  for (var turn = 0u; turn < 2u; turn++) {
    outputs[turn * LANES + place.lane] = pairs_before(place, subgroups, own >> vec4<u32>(turn));
    workgroupBarrier();
  }
  outputs[2u * LANES + place.lane] = sum_of_lanes(0u, own, true);
  outputs[3u * LANES + place.lane] = sum_of_lanes(2u, own, false);
  let first = vec2<u32>(reserve(own.x % 5u), reserve(own.y % 3u));
  outputs[4u * LANES + place.lane] = vec4<u32>(first, max_of_lanes(0u, own.z), max_of_lanes(2u, own.w >> 9u));
  workgroupBarrier();
  outputs[5u * LANES + place.lane] = vec4<u32>(atomicLoad(&reserved), index, 0u, 0u);
}
`;

/** Runs an entry point over `count` invocations, or one workgroup, and returns the `count` vectors that it wrote. */
async function run(
  device: GPUDevice,
  code: string,
  entryPoint: string,
  input: Uint32Array | Int32Array,
  count: number,
  uniform: readonly number[],
  workgroups = Math.ceil(count / 64),
): Promise<Uint32Array> {
  const pipeline = device.createComputePipeline({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }), entryPoint },
  });
  const { STORAGE, COPY_DST, COPY_SRC, UNIFORM, MAP_READ } = GPUBufferUsage;
  const buffer = (size: number, usage: number) => device.createBuffer({ size, usage });
  const source = buffer(input.byteLength, STORAGE | COPY_DST);
  const target = buffer(count * 16, STORAGE | COPY_SRC);
  const settings = buffer(16, UNIFORM | COPY_DST);
  const read = buffer(count * 16, MAP_READ | COPY_DST);
  device.queue.writeBuffer(source, 0, input as GPUAllowSharedBufferSource);
  device.queue.writeBuffer(
    settings,
    0,
    Uint32Array.from({ ...uniform, length: 4 }, (x) => x ?? 0),
  );
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  const bound = [source, target, settings].map((of, binding) => ({ binding, resource: { buffer: of } }));
  // What an entry point does not use is not in its layout.
  const entries = uniform.length === 0 ? bound.slice(0, 2) : bound;
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(workgroups);
  pass.end();
  encoder.copyBufferToBuffer(target, 0, read, 0, count * 16);
  device.queue.submit([encoder.finish()]);
  await read.mapAsync(GPUMapMode.READ);
  const words = new Uint32Array(read.getMappedRange().slice(0));
  for (const of of [source, target, settings, read]) of.destroy();
  return words;
}

const view = new DataView(new ArrayBuffer(8));
function wordsOf(x: number): [number, number] {
  view.setFloat64(0, x, true);
  return [view.getUint32(0, true), view.getUint32(4, true)];
}
function numberOf(low: number, high: number): number {
  view.setUint32(0, low, true);
  view.setUint32(4, high, true);
  return view.getFloat64(0, true);
}

/** Binary64 numbers in whose sums, products and quotients every way of rounding occurs. */
function someNumber(draws: Draws): number {
  const ones = draws.below(53);
  const shapes = [
    () => draws.below(2 ** 32) * 2 ** 21 + draws.below(2 ** 21),
    () => 2 ** 53 - 2 ** ones,
    () => 2 ** 52 + 2 ** draws.below(52),
    () => 2 ** 52 + draws.below(4),
    () => draws.below(1000),
  ];
  const mantissa = shapes[draws.below(shapes.length)]!();
  const exponent = draws.below(3) === 0 ? draws.below(1200) - 600 : draws.below(120) - 60;
  return (draws.below(2) === 0 ? 1 : -1) * mantissa * 2 ** exponent;
}

const COUNT = 100_000;
const isNormal = (x: number) => x === 0 || (Math.abs(x) >= 2 ** -1000 && Math.abs(x) < 2 ** 1000);

if (opened instanceof Error) {
  describe('the numerics of the shaders', () => {
    it.skip(`all: ${opened.message}`, () => undefined);
  });
} else {
  const device = opened;
  const code = shader('numerics') + OPERATIONS;
  const pairs = (seed: number) => {
    const draws = new Draws(seed);
    const numbers = Array.from({ length: COUNT }, (_, i) => {
      const a = someNumber(draws);
      // Neighbours, whose differences cancel.
      const b = i % 4 === 0 ? a * (1 + (draws.below(64) - 32) * 2 ** -52) : someNumber(draws);
      return [a, i % 8 === 0 ? -b : b] as const;
    });
    const words = new Uint32Array(COUNT * 4);
    numbers.forEach(([a, b], i) => {
      words.set([...wordsOf(a), ...wordsOf(b)], i * 4);
    });
    return { numbers, words };
  };

  describe('the numerics of the shaders', () => {
    it.each([
      ['add', 0, (a: number, b: number) => a + b],
      ['multiply', 1, (a: number, b: number) => a * b],
      ['divide', 2, (a: number, b: number) => (b === 0 ? Number.NaN : a / b)],
    ] as const)('%s binary64 numbers as the processor does', async (_, operation, judge) => {
      const { numbers, words } = pairs(operation + 1);
      const results = await run(device, code, 'run', words, COUNT, [operation]);
      let compared = 0;
      numbers.forEach(([a, b], i) => {
        const expected = judge(a, b);
        if (!isNormal(expected)) return;
        compared++;
        const got = numberOf(results[i * 4]!, results[i * 4 + 1]!);
        // Zero has no sign here.
        if (got !== expected) expect(`${a} ${b}: ${got}`).toBe(`${a} ${b}: ${expected}`);
      });
      expect(compared).toBeGreaterThan(COUNT * 0.9);
    });

    it('compare binary64 numbers, zeros of both signs being equal', async () => {
      const { numbers, words } = pairs(4);
      const zeros = [0, -0, 5e-324, 1, -1];
      zeros.forEach((a, i) => {
        zeros.forEach((b, k) => {
          numbers[i * 5 + k] = [a === 5e-324 ? 0 : a, b === 5e-324 ? 0 : b];
          words.set([...wordsOf(a), ...wordsOf(b)], (i * 5 + k) * 4);
        });
      });
      const results = await run(device, code, 'run', words, COUNT, [5]);
      const wrong = numbers.filter(
        ([a, b], i) => (results[i * 4] === 1) !== a < b || (results[i * 4 + 1] === 1) !== b < a,
      );
      expect(wrong).toEqual([]);
    });

    it('convert 64-bit integers to the nearest binary64 number, and numbers to the nearest integer', async () => {
      const draws = new Draws(9);
      const words = new Uint32Array(COUNT * 4);
      for (let i = 0; i < COUNT; i++) {
        const bits = BigInt.asUintN(64, (BigInt(draws.below(2 ** 32)) << 32n) | BigInt(draws.below(2 ** 32)));
        const value = bits >> BigInt(draws.below(64));
        const shaped = i % 5 === 0 ? (value & ~0x7ffn) | 0x400n : value;
        words.set([Number(shaped & 0xffffffffn), Number(shaped >> 32n)], i * 4);
      }
      const results = await run(device, code, 'run', words, COUNT, [3]);
      for (let i = 0; i < COUNT; i++) {
        const unsigned = (BigInt(words[i * 4 + 1]!) << 32n) | BigInt(words[i * 4]!);
        const got = [0, 2].map((k) => numberOf(results[i * 4 + k]!, results[i * 4 + k + 1]!));
        const expected = [Number(BigInt.asIntN(64, unsigned)), Number(unsigned)];
        if (got[0] !== expected[0] || got[1] !== expected[1]) expect(got).toEqual(expected);
      }

      const halves = new Uint32Array(COUNT * 4);
      const numbers = Array.from({ length: COUNT }, (_, i) => {
        const x = (draws.below(2 ** 31) - 2 ** 30) * (i % 2 === 0 ? 0.5 : draws.next());
        halves.set(wordsOf(x), i * 4);
        return x;
      });
      const rounded = await run(device, code, 'run', halves, COUNT, [4]);
      numbers.forEach((x, i) => {
        const below = Math.floor(x);
        const up = x - below > 0.5 || (x - below === 0.5 && below % 2 !== 0);
        if ((rounded[i * 4]! | 0) !== below + (up ? 1 : 0)) expect(rounded[i * 4]! | 0).toBe(x);
      });
    });

    it('multiply words, weigh gradients, and draw Philox blocks', async () => {
      const draws = new Draws(12);
      const words = new Uint32Array(COUNT * 4);
      for (let i = 0; i < COUNT; i++) {
        const g = i % 3 === 0 ? 2 ** 31 - 1 - draws.below(9) : draws.below(2 ** 32) - 2 ** 31 + 1;
        words[i * 4] = draws.below(2) === 0 ? g : -g;
        words[i * 4 + 2] = i % 4 === 0 ? 2 ** 24 - draws.below(3) : draws.below(2 ** 24 + 1);
      }
      const results = await run(device, code, 'run', words, COUNT, [6]);
      for (let i = 0; i < COUNT; i++) {
        const [a, b] = [BigInt(words[i * 4]!), BigInt(words[i * 4 + 2]!)];
        const product = (BigInt(results[i * 4 + 1]!) << 32n) | BigInt(results[i * 4]!);
        const weighted = (BigInt.asIntN(32, a) * b + (1n << 23n)) >> 24n;
        const same = product === a * b && BigInt(results[i * 4 + 2]! | 0) === weighted;
        if (!same) expect([product, BigInt(results[i * 4 + 2]! | 0)]).toEqual([a * b, weighted]);
      }
      const counters = words.subarray(0, 4 * 5000);
      const blocks = await run(device, code, 'run', counters, 5000, [7]);
      for (let i = 0; i < 5000; i++) {
        const counter = [...counters.subarray(i * 4, i * 4 + 4)] as [number, number, number, number];
        const seed = Number((BigInt(Math.floor(i / 3)) << 32n) | BigInt((i * 7919) >>> 0));
        expect([...blocks.subarray(i * 4, i * 4 + 4)]).toEqual(referencePhilox(counter, seed));
      }
    });

    it.each([
      ['sigmoid', sigmoidTable, 26, 2 ** 24],
      ['softplus', softplusTable, 25, 2 ** 25],
      ['exponential', expTable, 24, 2 ** 25],
    ] as const)('give the %s of every argument', async (_, table, slopeBits, end) => {
      const links = shader('numerics') + shader('link') + FUNCTIONS;
      const step = 2 ** 22;
      for (let first = 0; first < end; first += step) {
        const words = await run(device, links, 'run', table, step / 4, [first, slopeBits]);
        const values = new Int32Array(words.buffer);
        for (let t = 0; t < step; t++) {
          const expected = evaluateSegment(table, first + t, slopeBits);
          if (values[t] !== expected) expect([first + t, values[t]]).toEqual([first + t, expected]);
        }
      }
    });

    it('give the logarithm of sums up to 2^38', async () => {
      const links = shader('numerics') + shader('link') + FUNCTIONS;
      const words = await run(device, links, 'logarithm', logTable, COUNT, []);
      for (let i = 0; i < COUNT; i++) {
        const [low, high, sumLow, sumHigh] = words.subarray(i * 4, i * 4 + 4) as unknown as number[];
        const expected = lnQ30(sumHigh! * 2 ** 32 + sumLow!);
        if (high! * 2 ** 32 + low! !== expected) expect([i, high! * 2 ** 32 + low!]).toEqual([i, expected]);
      }
    });

    const bases = device.features.has('subgroups') ? ['no_subgroups', 'subgroups'] : ['no_subgroups'];
    it.each(bases.flatMap((base) => [32, 64, 256].map((lanes) => [base, lanes] as const)))(
      'sum, scan, reserve and compare over a workgroup with %s and %i invocations',
      async (base, lanes) => {
        const enable = base === 'subgroups' ? 'enable subgroups;\n' : '';
        const files = ['numerics', base, 'lanes'].map(shader).join('');
        const draws = new Draws(lanes);
        const words = Uint32Array.from({ length: 4 * lanes }, () =>
          draws.below(4) === 0 ? 2 ** 32 - 1 - draws.below(2) : draws.below(2 ** 32),
        );
        const program = `${enable}const LANES = ${lanes}u;\n${files}${LANES}`;
        const results = await run(device, program, 'run', words, 6 * lanes, [], 1);
        const vector = (of: Uint32Array, i: number) => [...of.subarray(4 * i, 4 * i + 4)];
        const own = Array.from({ length: lanes }, (_, lane) => vector(words, lane));
        const output = (turn: number) =>
          Array.from({ length: lanes }, (_, lane) => vector(results, turn * lanes + lane));
        const wide = (of: readonly number[]) => of.reduceRight((sum, w) => (sum << 32n) | BigInt(w), 0n);
        const split = (sum: bigint, count: number) =>
          Array.from({ length: count }, (_, k) => Number((sum >> BigInt(32 * k)) & 0xffffffffn));
        const pairSum = (of: readonly (readonly number[])[]) =>
          [0, 2].flatMap((k) =>
            split(
              of.reduce((sum, value) => sum + wide(value.slice(k, k + 2)), 0n),
              2,
            ),
          );
        for (const turn of [0, 1]) {
          const shifted = own.map((value) => value.map((word) => word >>> turn));
          expect(output(turn)).toEqual(own.map((_, lane) => pairSum(shifted.slice(0, lane))));
        }
        const total = split(
          own.reduce((sum, value) => sum + wide(value), 0n),
          4,
        );
        expect(output(2)).toEqual(own.map(() => pairSum(own)));
        expect(output(3)).toEqual(own.map(() => total));
        const counts = own.flatMap(([x, y]) => [x! % 5, y! % 3]);
        const reserved = output(4)
          .flatMap((value) => value.slice(0, 2))
          .flatMap((first, i) => Array.from({ length: counts[i]! }, (_, k) => first + k));
        expect(reserved.sort((a, b) => a - b)).toEqual(reserved.map((_, i) => i));
        const greatest = [
          Math.max(...own.map(([, , z]) => z!)),
          Math.max(...own.map(([, , , w]) => w! >>> 9)),
        ];
        expect(output(4).map((value) => value.slice(2))).toEqual(own.map(() => greatest));
        expect(output(5).map(([of]) => of)).toEqual(own.map(() => reserved.length));
        expect(new Set(output(5).map(([, index]) => index)).size).toBe(lanes);
      },
    );
  });
}
