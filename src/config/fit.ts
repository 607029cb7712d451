import { InputError } from '../errors.ts';
import type { LoadedConfig } from './load.ts';
import { type ConfigMetric, METRICS_BY_KIND, type MetricName, metricOfKind } from './metric-names.ts';
import { defaultObjective, kindOf, type Objective } from './objectives.ts';
import { type ExperimentConfig, unfitMetric } from './schema.ts';

/** A config once the classes of the target are known: nothing is left open. */
export interface FittedConfig extends ExperimentConfig {
  readonly model: ExperimentConfig['model'] & { readonly objective: Objective };
  readonly metrics: { readonly primary: MetricName; readonly secondary: MetricName[] };
}

/**
 * Fills in what depends on the number of classes, and gives metrics their one name.
 * @param classes Number of classes of the target; undefined for a regression.
 * @throws InputError where a metric that the config names does not fit it.
 */
export function fitConfig(
  loaded: Pick<LoadedConfig, 'config' | 'where'>,
  classes: number | undefined,
): FittedConfig {
  const { config, where } = loaded;
  const objective = config.model.objective ?? defaultObjective(classes);
  const kind = kindOf(objective);
  const named = (key: string, name: ConfigMetric): MetricName => {
    const metric = metricOfKind(name, kind);
    if (metric !== undefined) return metric;
    throw new InputError(`${where(key)}: ${unfitMetric(name, [kind])} (the target has ${classes} classes).`);
  };
  const primary = named('metrics.primary', config.metrics.primary);
  const secondary =
    config.metrics.secondary?.map((name) => named('metrics.secondary', name)) ?? METRICS_BY_KIND[kind];
  const targets = Object.entries(config.gates.targets).map(([name, value]) => [
    named(`gates.targets.${name}`, name as ConfigMetric),
    value,
  ]);
  return {
    ...config,
    model: { ...config.model, objective },
    metrics: { primary, secondary: [...new Set(secondary)].filter((name) => name !== primary) },
    gates: { ...config.gates, targets: Object.fromEntries(targets) },
  };
}
