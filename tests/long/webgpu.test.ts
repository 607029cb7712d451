import { describe, it } from 'vitest';
import { createDawnEngine } from '../../src/engine/dawn.ts';
import { engineConformance } from '../engine/conformance.ts';

const engine = await createDawnEngine().catch((error: Error) => error);

if (engine instanceof Error) {
  describe('engine webgpu', () => {
    it.skip(`conformance: ${engine.message}`, () => undefined);
  });
} else {
  engineConformance('webgpu', () => engine, { runs: 40, maxRows: 120 });
}
