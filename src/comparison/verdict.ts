import type { DecidingTest } from '../config/comparison-tests.ts';
import type { BestModel, PairRecord, StatisticalTests } from './compare.ts';
import type { Decision } from './decide.ts';

/** What tests are called in reports. */
export const TEST_TITLES: Readonly<Record<DecidingTest, string>> = {
  nadeau_bengio: "Nadeau and Bengio's corrected t-test",
  paired_ttest: 'the paired t-test',
  wilcoxon: "Wilcoxon's signed-rank test",
  friedman: "Friedman's test with Holm's comparisons",
  mcnemar: "McNemar's test",
  delong: "DeLong's test",
};

/** What a test looks at, in words. */
export const TEST_MEANINGS: Readonly<Record<DecidingTest, string>> = {
  nadeau_bengio:
    'It compares the scores of two models on the same folds and allows for training rows that folds share, so it does not mistake the luck of one cross-validation for a difference; with few folds it misses small ones.',
  paired_ttest:
    'It compares the scores of two models on the same folds as if the folds were independent. They share training rows, so it calls models different too readily.',
  wilcoxon:
    'It compares two models by the ranks of their differences on the same folds, as if the folds were independent. With fewer than 6 folds no p-value is below 0.05.',
  friedman:
    "It ranks the models within each fold. Friedman's test asks whether they differ at all, and only then does Holm's procedure compare the best one with each other one. The best one was chosen by the same scores, which flatters it a little.",
  mcnemar:
    'It asks whether two classifiers are right on different numbers of test rows. It compares their accuracy, not the primary metric, and says nothing about models trained on other rows.',
  delong:
    'It asks whether the areas under the ROC curves differ on the test rows. It says nothing about models trained on other rows.',
};

const BASIS_TEXT: Readonly<Record<BestModel['basis'], string>> = {
  cv: 'on average over the folds',
  val: 'on the validation rows',
  test: 'on the test rows',
  train: 'on the training rows',
};

/** Names that a sentence lists; the others are counted. */
const LISTED = 5;

const number = (value: number) =>
  Number.isFinite(value) ? String(Number(value.toPrecision(4))) : String(value);

function listed(names: readonly string[]): string {
  const shown = names.slice(0, LISTED);
  const rest = names.length - shown.length;
  if (rest > 0) return `${shown.join(', ')} and ${rest} more`;
  return shown.length < 2 ? shown.join('') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`;
}

/** How a p-value stands to the level. */
const against = (p: number, alpha: number) =>
  `p = ${number(p)}, ${p < alpha ? 'below' : 'not below'} ${number(alpha)}`;

interface VerdictInput {
  readonly best: BestModel;
  readonly decision: Decision;
  readonly pairs: readonly PairRecord[];
  readonly tests: StatisticalTests;
  readonly alpha: number;
  readonly models: number;
}

/** The decision in words: who is ahead, by how much, whether that is significant, and what to do about ties. */
export function verdictOf(input: VerdictInput): string {
  const { best, decision, models } = input;
  const leads = `${best.name} has the best ${best.metric}, ${number(best.score)} ${BASIS_TEXT[best.basis]}`;
  if (models === 1) return `${leads}. It is the only model, so there is nothing to compare it with.`;
  if (decision.not_run !== undefined)
    return `${leads}, but whether that is more than chance is not decided: ${TEST_TITLES[decision.test]} was not run (${decision.not_run}).`;
  return [`${leads}${marginText(input)}.`, ...findingsText(input), ...tieText(best)].join(' ');
}

/** By how much the best of two models leads, with the interval. */
function marginText({ pairs, models }: VerdictInput): string {
  const apart = pairs[0]!.mean_difference;
  if (models > 2 || apart === undefined) return '';
  const { estimate, low, high, level } = apart;
  if (estimate === 0) return '';
  const ends = [estimate < 0 ? -high : low, estimate < 0 ? -low : high].map(number).join(' to ');
  return `, ${number(Math.abs(estimate))} better than ${pairs[0]!.second} (${number(100 * level)} % interval ${ends})`;
}

function findingsText({ decision, alpha, pairs, tests, models, best }: VerdictInput): string[] {
  const { test, worse, tied, better, p_value: p } = decision;
  const degenerate = test === 'friedman' ? undefined : pairs[0]!.tests[test]!.degenerate;
  if (models === 2) {
    if (degenerate === 'no difference' || (p === 1 && pairs[0]!.mean_difference?.estimate === 0))
      return [`By ${TEST_TITLES[test]} there is no difference at all: p = 1.`];
    const by = `By ${TEST_TITLES[test]} the difference is`;
    if (worse.length > 0) return [`${by} significant (${against(p!, alpha)}).`];
    if (better.length > 0)
      return [
        `${by} significant, but in favour of ${better[0]} (${against(p!, alpha)}): the two measures contradict each other.`,
      ];
    return [
      `${by} not significant (${against(p!, alpha)}): what was measured does not show that one is better.`,
    ];
  }
  const sentences: string[] = [];
  if (test === 'friedman') {
    const { significant, statistic } = tests.friedman_test!;
    const all = `the ${models} models`;
    sentences.push(
      significant
        ? `Friedman's test finds that ${all} differ (χ² = ${number(statistic)}, ${against(p!, alpha)}).`
        : `Friedman's test does not find that ${all} differ (χ² = ${number(statistic)}, ${against(p!, alpha)}).`,
    );
    if (!significant) return sentences;
  }
  const are = (names: readonly string[]) => (names.length === 1 ? 'is' : 'are');
  const parts = [
    ...(worse.length > 0 ? [`${listed(worse)} ${are(worse)} significantly worse than ${best.name}`] : []),
    ...(better.length > 0
      ? [
          `${listed(better)} ${are(better)} significantly better than ${best.name}, so the two measures contradict each other`,
        ]
      : []),
    ...(tied.length > 0 ? [`${listed(tied)} cannot be told from ${best.name}`] : []),
  ];
  const by = test === 'friedman' ? "By Holm's comparisons" : `By ${TEST_TITLES[test]} with Holm's correction`;
  sentences.push(`${by}, ${parts.join('; ')}.`);
  return sentences;
}

function tieText({ smallest_of_tied: smallest }: BestModel): string[] {
  return smallest === undefined
    ? []
    : [`Of the models that cannot be told apart, ${smallest} has the smallest file.`];
}
