import { dirname } from 'node:path';
import type { Command } from 'commander';
import type { PartialBoost } from '../boosting/boost.ts';
import { BudgetError, ExitCode, InterruptedError, type LockstepError } from '../errors.ts';
import {
  type CommandContext,
  engineOption,
  jsonOption,
  path,
  quietOption,
  setOption,
  type TrainingOptions,
} from './options.ts';
import { createProgress } from './progress.ts';
import { metricsTable } from './run.ts';
import { print, printJson, table } from './terminal.ts';

interface TrainCommandOptions extends TrainingOptions {
  readonly out?: string;
}

/** `lockstep train`: the baseline of a config, as one model file. */
export function addTrainCommand(program: Command, { signal }: CommandContext): void {
  program
    .command('train')
    .summary('train the baseline and write just the model')
    .description('Trains the baseline of a config and writes just the model file.')
    .argument('<config>', 'experiment file (YAML)', path)
    .option('--out <file>', 'model file (default: <name of the experiment>.model.json)', path)
    .addOption(engineOption())
    .addOption(setOption())
    .addOption(jsonOption())
    .addOption(quietOption())
    .addHelpText('after', '\nExample:\n  lockstep train experiment.yaml --out model.json')
    .action(async (configPath: string, options: TrainCommandOptions) => {
      const clock = performance.now();
      const { loadConfig } = await import('../config/load.ts');
      const loaded = await loadConfig(configPath, { overrides: options.set ?? [] });
      const { baselinePlan, toModel, trainAndScore } = await import('../protocol/trained-model.ts');
      const { prepareExperiment } = await import('../protocol/prepare.ts');
      const { chooseEngine } = await import('../engine/choose.ts');
      const { resolveThreads } = await import('../engine/cpu.ts');
      const { writeFileAtomically } = await import('../files.ts');
      const { OutputFolder } = await import('../protocol/output.ts');

      const { config } = loaded;
      const warnings: string[] = [];
      const progress = createProgress({ verbose: config.training.verbose, quiet: options.quiet ?? false });
      const reporter = {
        ...progress,
        warn(text: string) {
          warnings.push(text);
          progress.warn(text);
        },
      };
      const out = options.out ?? `${config.experiment.name}.model.json`;
      try {
        const threads = resolveThreads(config.resources.n_jobs);
        const engine = await chooseEngine(options.engine ?? config.model.backend, { threads });
        const experiment = await prepareExperiment(loaded, reporter, signal);
        await OutputFolder.create(dirname(out));
        reporter.step(`Training the baseline on ${engine.description}`);
        const deadline = clock + config.resources.max_time_hours * 3_600_000;
        const plan = baselinePlan(experiment);
        const resident = await engine.load(experiment.binned);
        const { model, metrics } = await trainAndScore(experiment, resident, plan, {
          reporter,
          signal,
          deadline,
        }).catch(async (error: unknown) => {
          if (error instanceof InterruptedError || error instanceof BudgetError) {
            const { partial } = error as LockstepError & Partial<PartialBoost>;
            if (partial !== undefined && partial.bestRound > 0) {
              const partialFile = `${out.replace(/(\.model)?\.json$/, '')}.partial.json`;
              await writeFileAtomically(partialFile, toModel(experiment, plan.params, partial).toText());
            }
          }
          throw error;
        });
        await writeFileAtomically(out, model.toText());
        progress.finish();
        if (options.json) {
          printJson({
            out,
            engine: engine.kind,
            fingerprints: { baseline: model.fingerprint },
            metrics: { baseline: metrics },
            warnings,
            exit: ExitCode.done,
          });
          return;
        }
        const places = [
          ['fingerprint', model.fingerprint],
          ['model', out],
        ];
        print(`${metricsTable(metrics, experiment.metrics[0]!)}\n\n${table(places)}`);
      } finally {
        progress.finish();
      }
    });
}
