/** Exit codes of the command line; see docs/architecture.md. */
export const ExitCode = {
  done: 0,
  checkFailed: 1,
  badInput: 2,
  overBudget: 3,
  environment: 4,
  interrupted: 130,
} as const;

/**
 * An error whose message is one sentence for the person at the keyboard: what is wrong, where, what to do.
 * Subclasses fix the exit code.
 */
export class LockstepError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.exitCode = exitCode;
  }
}

/** A gate, a determinism check or a comparison failed (exit 1). */
export class CheckFailedError extends LockstepError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, ExitCode.checkFailed, options);
  }
}

/** The config, the data or the arguments cannot be used (exit 2). */
export class InputError extends LockstepError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, ExitCode.badInput, options);
  }
}

/** The work would not fit, or has outgrown, a budget of memory or time (exit 3). */
export class BudgetError extends LockstepError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, ExitCode.overBudget, options);
  }
}

/** Something outside the user's input is missing or broken: the addon, a device, the disk (exit 4). */
export class EnvironmentError extends LockstepError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, ExitCode.environment, options);
  }
}

/** The work was stopped by an AbortSignal or Ctrl-C (exit 130). */
export class InterruptedError extends LockstepError {
  constructor(message = 'Interrupted; what was finished before is kept.', options?: ErrorOptions) {
    super(message, ExitCode.interrupted, options);
  }
}
