import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const source = new URL('../../src', import.meta.url).pathname;

/** Lower layers first; a folder may import from its own and lower layers. */
const LAYERS = [
  'config',
  'data',
  'workers',
  'engine',
  'metrics',
  'stats',
  'comparison',
  'gates',
  'boosting',
  'ensemble',
  'tuning',
  'tracking',
  'reporting',
  'protocol',
  'bench',
  'cli',
  'schema',
];
/** The typed door to native code, errors, file writing, integer twins and the normal distribution: part of no layer. */
const LEAVES = new Set(['addon.ts', 'errors.ts', 'files.ts', 'numerics']);

interface Import {
  readonly from: string;
  readonly to: string;
}

const room = (path: string) => relative(source, path).split('/')[0]!;

function importsOfSource(): Import[] {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  return files.flatMap((name) => {
    const path = join(source, name);
    const text = readFileSync(path, 'utf8');
    return [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(([, target]) => ({
      from: path,
      to: resolve(dirname(path), target!),
    }));
  });
}

describe('the layers of src', () => {
  const imports = importsOfSource();

  it('are all known, so that none escapes the rule', () => {
    const rooms = new Set(imports.map(({ from }) => room(from)));
    expect([...rooms].filter((name) => !LEAVES.has(name) && !LAYERS.includes(name))).toEqual(['index.ts']);
  });

  it('import downwards only', () => {
    const upward = imports.filter(
      ({ from, to }) =>
        !LEAVES.has(room(from)) &&
        !LEAVES.has(room(to)) &&
        room(from) !== 'index.ts' &&
        LAYERS.indexOf(room(to)) > LAYERS.indexOf(room(from)),
    );
    expect(upward.map(({ from, to }) => `${relative(source, from)} → ${relative(source, to)}`)).toEqual([]);
  });

  it('let src/stats reach nothing but metrics and what belongs to no layer', () => {
    const reached = imports.filter(({ from }) => room(from) === 'stats').map(({ to }) => room(to));
    expect(reached.filter((name) => !LEAVES.has(name) && !['stats', 'metrics'].includes(name))).toEqual([]);
    expect(reached).toContain('metrics');
  });

  it('let src/comparison reach nothing of engines, files or training: it compares what it is given', () => {
    const reached = imports.filter(({ from }) => room(from) === 'comparison').map(({ to }) => room(to));
    const allowed = ['comparison', 'stats', 'metrics', 'config'];
    expect(reached.filter((name) => !LEAVES.has(name) && !allowed.includes(name))).toEqual([]);
    expect(reached).toContain('stats');
  });

  it('leave zod to src/config, DuckDB to src/data and plotting to one file of src/reporting', () => {
    const users = (pattern: RegExp) =>
      readdirSync(source, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts') && pattern.test(readFileSync(join(source, name), 'utf8')))
        .map((name) => name.split('/')[0]);
    expect(new Set(users(/from 'zod'/))).toEqual(new Set(['config']));
    expect(new Set(users(/from '@duckdb\/node-api'/))).toEqual(new Set(['data']));
    expect(users(/'(@observablehq\/plot|linkedom)'/)).toEqual(['reporting']);
  });

  it('reach no module of Node or of a package from the WebGPU engine, which runs in browsers too', () => {
    const reached = new Set<string>();
    const visit = (path: string) => {
      if (reached.has(path)) return;
      reached.add(path);
      // Imports of types alone are gone when it runs.
      const kept = /^(?:import|export) (?!type )[^;]*?from '(\.[^']+)'/gm;
      for (const [, target] of readFileSync(path, 'utf8').matchAll(kept)) {
        visit(resolve(dirname(path), target!));
      }
    };
    visit(join(source, 'engine/webgpu.ts'));
    expect(reached.size).toBeGreaterThan(10);
    const foreign = [...reached].filter((path) =>
      /^(?:import|export) (?!type)[^;]*from '[^.]|import\('[^.]|\bprocess\.|\bBuffer\b/m.test(
        readFileSync(path, 'utf8'),
      ),
    );
    expect(foreign).toEqual([]);
  });
});
