/** Losses that models are trained for, under XGBoost's names. */
export const OBJECTIVES = ['binary:logistic', 'multi:softprob', 'multi:softmax', 'reg:squarederror'] as const;
export type Objective = (typeof OBJECTIVES)[number];

/** What a model's outputs are: one probability, a probability for each class, or a value. */
export type ModelKind = 'binary' | 'multiclass' | 'regression';

export type TaskType = 'classification' | 'regression';

export function kindOf(objective: Objective): ModelKind {
  switch (objective) {
    case 'binary:logistic':
      return 'binary';
    case 'multi:softprob':
    case 'multi:softmax':
      return 'multiclass';
    case 'reg:squarederror':
      return 'regression';
    default:
      throw objective satisfies never;
  }
}

export function taskOf(objective: Objective): TaskType {
  return kindOf(objective) === 'regression' ? 'regression' : 'classification';
}

/** The objective of a task that names none; `classes` is the number of classes found, absent for a regression. */
export function defaultObjective(classes: number | undefined): Objective {
  if (classes === undefined) return 'reg:squarederror';
  return classes > 2 ? 'multi:softprob' : 'binary:logistic';
}

/** The most classes that a model can tell apart. */
export const MAX_CLASSES = 255;
