import type { DecidingTest } from '../config/comparison-tests.ts';
import type { PairRecord, StatisticalTests } from './compare.ts';

/** What follows from the test that decides. */
export interface Decision {
  /** As the config or the command has it. */
  readonly asked: DecidingTest | 'auto';
  readonly test: DecidingTest;
  /** Why the test could not be run; nothing is decided then. */
  readonly not_run?: string;
  /** Of two models, or Friedman's of all, or the least of the adjusted ones of the best model's comparisons; null where it was not run. */
  readonly p_value: number | null;
  /** Whether some model differs from the best one; null where the test was not run. */
  readonly significant: boolean | null;
  /** Models that are significantly worse than the best one, that cannot be told from it, and that the test finds better. */
  readonly worse: readonly string[];
  readonly tied: readonly string[];
  readonly better: readonly string[];
}

interface DecisionInput {
  readonly asked: DecidingTest | 'auto';
  /** Names, the best first. */
  readonly ranked: readonly string[];
  readonly pairs: readonly PairRecord[];
  readonly tests: StatisticalTests;
  /** Reasons of tests that were not run, by name. */
  readonly missing: ReadonlyMap<string, string>;
}

/** One comparison of the best model with another one. */
interface Finding {
  readonly second: string;
  readonly pValue: number;
  readonly significant: boolean;
  readonly favours: string | null;
}

/** Decides by the test asked for; without one by Nadeau and Bengio's for two models, by Friedman's and Holm's for more. */
export function decide(input: DecisionInput): Decision {
  const { asked, ranked, tests } = input;
  const test: DecidingTest = asked !== 'auto' ? asked : ranked.length > 2 ? 'friedman' : 'nadeau_bengio';
  const nothing = { asked, test, p_value: null, significant: null, worse: [], tied: [], better: [] };
  if (ranked.length < 2) return { ...nothing, not_run: 'there is only one model' };
  if (test === 'friedman') {
    const { friedman_test: friedman } = tests;
    if (friedman === undefined) return { ...nothing, not_run: reasonOf(input, 'friedman_test') };
    const findings = tests.holm!.map(({ second, adjusted_p_value, significant, z_statistic }) => ({
      second,
      pValue: adjusted_p_value,
      // Pairs are compared only where the models as a whole differ.
      significant: friedman.significant && significant,
      favours: z_statistic === 0 ? null : z_statistic < 0 ? ranked[0]! : second,
    }));
    return { ...conclude(ranked[0]!, findings), asked, test, p_value: friedman.p_value };
  }
  const findings: Finding[] = [];
  for (const { second, tests: ofPair } of input.pairs) {
    const record = ofPair[test];
    if (record === undefined) return { ...nothing, not_run: reasonOf(input, test) };
    const { adjusted_p_value: pValue, significant, favours } = record;
    findings.push({ second, pValue, significant, favours });
  }
  const least = Math.min(...findings.map(({ pValue }) => pValue));
  return { ...conclude(ranked[0]!, findings), asked, test, p_value: least };
}

function reasonOf({ missing }: DecisionInput, name: string): string {
  return missing.get(name) ?? 'it could not be computed';
}

function conclude(
  best: string,
  findings: readonly Finding[],
): Pick<Decision, 'significant' | 'worse' | 'tied' | 'better'> {
  const named = (of: (finding: Finding) => boolean) => findings.filter(of).map(({ second }) => second);
  return {
    significant: findings.some(({ significant }) => significant),
    worse: named(({ significant, favours }) => significant && favours === best),
    tied: named(({ significant, favours }) => !significant || favours === null),
    better: named(({ significant, favours, second }) => significant && favours === second),
  };
}
