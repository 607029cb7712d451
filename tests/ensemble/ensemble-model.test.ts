import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Column } from '../../src/data/types.ts';
import {
  type BoosterParams,
  EnsembleModel,
  InputError,
  loadModel,
  type Member,
  Model,
  train,
} from '../../src/index.ts';
import { Draws } from '../engine/generate.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-ensemble-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const ROWS = 400;
const OBJECTIVES = ['binary:logistic', 'multi:softprob', 'multi:softmax', 'reg:squarederror'] as const;

function table(objective: (typeof OBJECTIVES)[number]) {
  const draws = new Draws(11);
  const age = Float32Array.from({ length: ROWS }, () => 18 + draws.below(60));
  const town = Array.from({ length: ROWS }, () => ['Aa', 'Bb', null][draws.below(3)]!);
  const label = Float32Array.from(age, (a, i) => {
    const value = a / 40 + (town[i] === 'Bb' ? 1 : 0) + draws.normal();
    if (objective === 'reg:squarederror') return 100 * value;
    return Math.min(objective === 'binary:logistic' ? 1 : 2, Math.max(0, Math.floor(value)));
  });
  return { features: { age, town }, label };
}

async function membersOf(objective: (typeof OBJECTIVES)[number], count = 2): Promise<Member[]> {
  const members: Member[] = [];
  for (let k = 0; k < count; k++) {
    const params: Partial<BoosterParams> = { objective, n_estimators: 8, max_depth: 2 + k };
    members.push({ name: `m${k}`, model: (await train({ ...table(objective), params, seed: k })).model });
  }
  return members;
}

function columnsOf({ features }: Model | EnsembleModel): Column[] {
  const { age, town } = table('binary:logistic').features;
  return features.map(({ name, categories }) =>
    name === 'age'
      ? { kind: 'numeric', name, values: age }
      : {
          kind: 'categorical',
          name,
          categories: categories!,
          codes: Int32Array.from(town, (of) => (of === null ? -1 : categories!.indexOf(of))),
        },
  );
}

const AVERAGE = { type: 'average', weights: [0.25, 0.75] } as const;

describe.each(OBJECTIVES)('an ensemble of %s models', (objective) => {
  it('predicts the mean of its members, in batches, row by row and asynchronously alike', async () => {
    const members = await membersOf(objective);
    const ensemble = new EnsembleModel('weighted', AVERAGE, members);
    const columns = columnsOf(ensemble);
    const predictions = ensemble.predict(columns, ROWS);
    expect(await ensemble.predictAsync(columns, ROWS)).toEqual(predictions);
    const { age, town } = table(objective).features;
    const perRow = predictions.length / ROWS;
    for (let row = 0; row < 20; row++) {
      const one = ensemble.predictRow({ age: age[row]!, town: town[row]! });
      expect([one].flat()).toEqual([...predictions.subarray(row * perRow, (row + 1) * perRow)]);
    }
    if (objective === 'multi:softmax') return;
    const [a, b] = members.map(({ model }) => model.predict(columns, ROWS));
    predictions.forEach((value, i) => {
      expect(Math.abs(value - (0.25 * a![i]! + 0.75 * b![i]!))).toBeLessThan(
        objective === 'reg:squarederror' ? 1e-4 : 1e-6,
      );
    });
  });

  it('is the same from its file, with the members in it or beside it', async () => {
    const members = await membersOf(objective);
    const ensemble = new EnsembleModel('weighted', AVERAGE, members);
    const whole = join(folder, `${ensemble.outputs}-${objective.replace(':', '-')}.json`);
    await ensemble.save(whole);
    for (const { name, model } of members) await model.save(join(folder, `${name}.json`));
    const parted = join(folder, 'parted.json');
    await writeFile(
      parted,
      ensemble.toTextWithFiles((name) => `${name}.json`),
    );
    for (const path of [whole, parted]) {
      const loaded = await loadModel(path);
      expect(loaded).toBeInstanceOf(EnsembleModel);
      expect(loaded.fingerprint).toBe(ensemble.fingerprint);
      expect(loaded.predict(columnsOf(ensemble), ROWS)).toEqual(ensemble.predict(columnsOf(ensemble), ROWS));
    }
    expect((await readFile(parted, 'utf8')).length).toBeLessThan(1500);
    expect(await loadModel(join(folder, 'm0.json'))).toBeInstanceOf(Model);
  });
});

describe('an ensemble', () => {
  it('has one fingerprint however its combiner is written down', async () => {
    const members = await membersOf('binary:logistic');
    const [intercept, coefficients] = [[-0.5], [[2, 3]]];
    const one = new EnsembleModel('stacking', { type: 'linear', intercept, coefficients }, members);
    const other = new EnsembleModel('stacking', { coefficients, intercept, type: 'linear' }, members);
    expect(other.fingerprint).toBe(one.fingerprint);
    expect(one.fingerprint).not.toBe(
      new EnsembleModel('stacking', { type: 'linear', intercept: [0], coefficients }, members).fingerprint,
    );
  });

  it('has another fingerprint for another method, weight, member or order of members', async () => {
    const members = await membersOf('binary:logistic', 3);
    const two = members.slice(0, 2);
    const prints = [
      new EnsembleModel('weighted', AVERAGE, two),
      new EnsembleModel('greedy', AVERAGE, two),
      new EnsembleModel('weighted', { type: 'average', weights: [0.75, 0.25] }, two),
      new EnsembleModel('weighted', AVERAGE, [...two].reverse()),
      new EnsembleModel('weighted', AVERAGE, members.slice(1)),
      new EnsembleModel('voting', { type: 'vote' }, two),
    ].map(({ fingerprint }) => fingerprint);
    expect(new Set(prints).size).toBe(prints.length);
    expect(new EnsembleModel('weighted', AVERAGE, two).fingerprint).toBe(prints[0]);
  });

  it('says which members do not go together, and why', async () => {
    const [a] = await membersOf('binary:logistic', 1);
    const [b] = await membersOf('multi:softprob', 1);
    const [c] = await membersOf('reg:squarederror', 1);
    const made =
      (...members: Member[]) =>
      () =>
        new EnsembleModel('weighted', AVERAGE, members);
    expect(made(a!, { ...b!, name: 'b' })).toThrow('The members m0 and b have different objective');
    expect(made(a!, { ...c!, name: 'c' })).toThrow(InputError);
    expect(made(a!, a!)).toThrow('Two members of an ensemble have the same name');
    expect(made(a!)).toThrow('average does not fit its 1 members');
    expect(made()).toThrow('An ensemble needs a member');
    const { features, label } = table('binary:logistic');
    const years = { years: features.age, town: features.town };
    const renamed = await train({ features: years, label, params: { objective: 'binary:logistic' } });
    expect(made(a!, { name: 'd', model: renamed.model })).toThrow(
      'The members m0 and d have different features; an ensemble needs models of the same data.',
    );
  });

  it('is refused where its file or that of a member was altered, naming the file', async () => {
    const members = await membersOf('binary:logistic');
    const ensemble = new EnsembleModel('weighted', AVERAGE, members);
    const path = join(folder, 'altered.json');
    const refused = async (text: string) => {
      await writeFile(path, text);
      return loadModel(path).then(
        () => 'loaded',
        (error: unknown) => (error instanceof InputError ? error.message : String(error)),
      );
    };
    const text = ensemble.toText();
    expect(await refused(text.replace('0.25', '0.5'))).toContain(`${path} was altered`);
    expect(await refused(text.replace('"weighted"', '"stolen"'))).toContain('method is "stolen"');
    expect(await refused(text.slice(0, -30))).toContain('is not a whole JSON file');
    expect(await refused(text.replace('"version": 1', '"version": 3'))).toContain('newer than 2');
    const beside = ensemble.toTextWithFiles((name) => `${name}.json`);
    await members[0]!.model.save(join(folder, 'm0.json'));
    await members[0]!.model.save(join(folder, 'm1.json'));
    expect(await refused(beside)).toContain('m1.json is not the model that the ensemble');
    expect(await refused(beside.replace('m1.json', '../m1.json'))).toContain('not the name of a file');
    expect(await refused(beside.replace('m1.json', 'gone.json'))).toContain('gone.json');
  });
});
