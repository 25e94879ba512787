"""From a folder of labelled images to a classifier you can trust, run and watch.

The public names below are resolved on first use, so `import darkroom` costs nothing and
production code never loads a training framework by accident.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from darkroom.errors import missing_extra
from darkroom.version import __version__ as __version__

# The same names stand in `__init__.pyi`, for editors and type checkers; a test compares the two.
_HOMES = {
    "Architecture": "models.architecture",
    "ArtifactError": "errors",
    "Augment": "training.recipe",
    "Bundle": "bundles.bundle",
    "CATALOG": "models.catalog",
    "Columns": "data.sources",
    "Comparison": "evaluation.comparison",
    "Curriculum": "training.recipe",
    "CurriculumTrial": "training.trial",
    "DarkroomError": "errors",
    "DataError": "errors",
    "Dataset": "data.dataset",
    "Decision": "decision",
    "Embedding": "data.embedding",
    "Effort": "evaluation.explain.explained",
    "Diagnosis": "evaluation.diagnosis.diagnosis",
    "ErrorCost": "problem",
    "Evaluation": "evaluation.evaluation",
    "Explanations": "evaluation.explain.explanations",
    "Finding": "findings",
    "GateError": "errors",
    "Leaderboard": "evaluation.leaderboard",
    "MissingExtra": "errors",
    "NearDuplicates": "data.near_duplicates",
    "Optimizer": "training.recipe",
    "Prediction": "bundles.prediction",
    "Predictor": "bundles.predictor",
    "Preprocess": "data.preprocess",
    "Problem": "problem",
    "Range": "training.space",
    "RateSearch": "training.rate_search",
    "Recipe": "training.recipe",
    "RecipeError": "errors",
    "Run": "training.run",
    "Search": "training.tuning",
    "ServiceError": "errors",
    "Study": "training.studies",
    "Suspects": "data.suspects",
    "Transfer": "training.recipe",
    "Tuning": "training.tuning",
    "Workspace": "workspace",
    "build_model": "models.catalog",
    "channel_statistics": "data.pixels",
    "check_dataset": "data.checks",
    "compare": "evaluation.compare",
    "compare_many": "evaluation.leaderboard",
    "diagnose": "evaluation.diagnosis.diagnose",
    "evaluate": "evaluation.evaluate",
    "explain": "explaining",
    "explore": "data.explore",
    "find_learning_rate": "training.find_rate",
    "from_one_hot": "data.image_maths",
    "group_split": "data.split",
    "init": "problem",
    "label_suspects": "data.suspects",
    "list_bundles": "bundles.bundle",
    "list_runs": "training.record",
    "load_images": "data.pixels",
    "near_duplicates": "data.near_duplicates",
    "one_hot": "data.image_maths",
    "open_bundle": "bundles.bundle",
    "open_dataset": "data.opening",
    "open_evaluation": "evaluation.evaluation",
    "open_run": "training.run",
    "pack": "bundles.pack",
    "quickstart": "first_minute",
    "resume": "training.resume",
    "scale_pixels": "data.preprocess",
    "simple_embedding": "data.embedding",
    "split_channels": "data.image_maths",
    "split_dataset": "data.split",
    "study": "training.study",
    "swap_red_and_blue": "data.image_maths",
    "train": "training.train",
    "trunk_embedding": "models.trunk",
    "try_curriculum": "training.trial",
    "tune": "training.tune",
    "unscale_pixels": "data.preprocess",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'darkroom' has no attribute {name!r}")
    try:
        module = import_module(f"darkroom.{_HOMES[name]}")
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] == "darkroom":
            raise
        raise missing_extra(missing, f"darkroom.{name}") from missing
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
