import type { GatesRecord } from '../gates/gates.ts';

/** Of the quality gates, below a run's folder. */
export const GATES_FILE = 'gates.json';

const show = (value: number | string | null) =>
  value === null ? 'missing' : typeof value === 'number' ? String(Number(value.toPrecision(6))) : value;

/** The gates as rows of a table, the head first. */
export function gateRows({ gates }: GatesRecord): string[][] {
  return [
    ['gate', 'check', 'verdict', 'measured', 'threshold'],
    ...gates.flatMap(({ gate, checks }) =>
      checks.map(({ title, verdict, measured, threshold }) => [
        String(gate),
        title,
        verdict,
        show(measured),
        threshold,
      ]),
    ),
  ];
}

/** What a run says of its gates: whether they passed, and what failed. */
export function gatesSummary(record: GatesRecord) {
  return { passed: record.passed, failed: failedChecks(record) };
}

/** A sentence about each check that failed. */
export function failedChecks({ gates }: GatesRecord): string[] {
  return gates.flatMap(({ gate, checks }) =>
    checks
      .filter(({ verdict }) => verdict === 'failed')
      .map(
        ({ title, measured, threshold, detail }) =>
          `Gate ${gate}, ${title}: ${measured === null ? 'nothing was measured' : `measured ${show(measured)}`}, wanted ${threshold}${detail === undefined ? '.' : `: ${detail}`}`,
      ),
  );
}
