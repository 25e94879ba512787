"""What a search proposes next, and what it cuts short: Optuna's parts, as darkroom sets them."""

from __future__ import annotations

import math
from typing import cast

import optuna

from darkroom.training.space import Choice, Range, Values, takes_whole_numbers
from darkroom.training.tuning import SearchPlan

_KEPT = 25.0  # percent, own: the median rule took 55 to 74 % of the time of 20 whole trials
_RANDOM = 6  # trials drawn at random before the sampler learns; Optuna's ten are half of twenty


def make_pruner(plan: SearchPlan) -> optuna.pruners.BasePruner:
    """Make what decides which trials fall behind.

    Source: the median rule, Golovin et al. 2017, doi:10.1145/3097983.3098043; Hyperband, Li et al.
    2016, arXiv:1603.06560. A quarter of the epochs is let go by, as long as the usual rate climbs:
    where it still does, good trials look bad.
    """
    first = max(plan.epochs // 4, 1)
    if plan.pruning in ("percentile", "median"):
        best = _KEPT if plan.pruning == "percentile" else 50.0
        return optuna.pruners.PercentilePruner(best, n_startup_trials=3, n_warmup_steps=first)
    if plan.pruning == "hyperband" and plan.epochs > first:
        return optuna.pruners.HyperbandPruner(min_resource=first, max_resource=plan.epochs)
    return optuna.pruners.NopPruner()


def make_sampler(seed: int) -> optuna.samplers.BaseSampler:
    """Make what draws the next settings.

    Source: Bergstra et al. 2011, "Algorithms for hyper-parameter optimization".
    """
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=_RANDOM)


def suggested(trial: optuna.Trial, name: str, values: Values) -> Choice:
    """Draw a setting of a trial."""
    if not isinstance(values, Range):
        return cast(Choice, trial.suggest_categorical(name, values))
    if takes_whole_numbers(name):
        low, high = math.ceil(values.low), math.floor(values.high)
        return int(trial.suggest_int(name, low, high, log=values.log))
    drawn = trial.suggest_float(name, values.low, values.high, log=values.log)
    return float(f"{drawn:.3g}")  # as a person would type it; more digits change nothing
