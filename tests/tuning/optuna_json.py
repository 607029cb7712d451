"""What the scripts that make fixtures from Optuna share."""

from optuna.distributions import CategoricalDistribution, FloatDistribution


def distribution(d):
    """A distribution as src/tuning/space.ts has it."""
    if isinstance(d, CategoricalDistribution):
        return {"type": "categorical", "choices": list(d.choices)}
    kind = "float" if isinstance(d, FloatDistribution) else "int"
    result = {"type": kind, "low": d.low, "high": d.high, "log": d.log}
    return result if d.step is None else {**result, "step": d.step}
