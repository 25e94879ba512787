"""What a search may try: for each setting of a recipe a range or some choices.

It comes from the table `[tune]` of `darkroom.toml`, from what is typed, or is a small default one
around the starting recipe.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

import msgspec

from darkroom.errors import RecipeError
from darkroom.records import from_document
from darkroom.settings import with_overrides
from darkroom.training.recipe import Recipe, given_recipe, idle_settings

Choice = bool | int | float | str
_NEVER = ("seed",)  # a search by seed finds luck


class Range(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Numbers from low to high, both included; whole ones where the setting is a whole number."""

    low: float
    high: float
    log: bool = False  # equal factors count as equal steps, as for a learning rate

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise RecipeError(
                f"{self.low:g}..{self.high:g}{' on a logarithm' if self.log else ''} is no range",
                hint='write { low = 1e-4, high = 1e-1, log = true }, or on the command line '
                "1e-4..1e-1:log",
            )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.low:g} .. {self.high:g}{', log' if self.log else ''}"


Values = Range | tuple[Choice, ...]
Space = Mapping[str, Values]  # of each setting, by its dotted name


def read_space(document: Mapping[str, Any], typed: Sequence[str] = ()) -> dict[str, Values]:
    """Read a space from plain values, and lay over it what was typed.

    Args:
        document: The table `[tune]`: a range as `{ low = 1e-4, high = 1e-1, log = true }` or a list
            of values, by the name of a setting; a dotted name with or without quotes.
        typed: `NAME=LOW..HIGH`, `NAME=LOW..HIGH:log`, `NAME=A,B,C`, or `NAME=none` to leave a
            setting out.

    Returns:
        A Space, checked against the fields of a recipe; empty when nothing was said.

    Raises:
        RecipeError: A name is unknown (the nearest is named), or something is neither a range nor
            a list of values that the setting takes.
    """
    space = dict(_declared(document))
    for setting in typed:
        name, equals, value = (word.strip() for word in setting.partition("="))
        if not equals:
            raise RecipeError(
                f"--space {setting}: expected NAME=VALUES", hint=f"--space {setting}=1,2,3"
            )
        if value.lower() == "none":
            space.pop(name, None)
        else:
            space[name] = _parsed(name, value)
    check_space(space)
    return space


def check_space(space: Space, recipe: Recipe | None = None) -> None:
    """Refuse a space that no recipe can follow.

    Args:
        space: Any.
        recipe: The starting one; None: the default.

    Raises:
        RecipeError: A setting is unknown, has one value, or does not take what it may become.
    """
    recipe = given_recipe(recipe)
    for name, values in space.items():
        if name.partition(".")[0] in _NEVER:
            raise RecipeError(
                f"the space holds {name}: what is found so is luck, and does not come again",
                hint=f"leave {name} out of the space",
            )
        ends = (values.low, values.high) if isinstance(values, Range) else values
        for value in ends:
            _tried(recipe, name, value, is_range=isinstance(values, Range))
        if len(set(ends)) < 2:
            raise RecipeError(
                f"the space holds {name} with one value, {ends}: there is nothing to search",
                hint=f"--set {name}={ends[0] if ends else 'VALUE'}",
            )


def with_settings(recipe: Recipe, settings: Mapping[str, Choice]) -> Recipe:
    """Replace settings of a recipe by their dotted names.

    A setting that would be idle beside the others, as a momentum beside adamw, is left out.

    Raises:
        RecipeError: A name is unknown or a value does not fit.
    """
    made = with_overrides(recipe, as_typed(settings))
    used = {name: settings[name] for name in settings.keys() - idle_settings(made).keys()}
    return made if len(used) == len(settings) else with_overrides(recipe, as_typed(used))


def as_typed(settings: Mapping[str, Choice]) -> list[str]:
    """Write settings in the way of `--set`."""
    return [f"{name}={_written(value)}" for name, value in settings.items()]


def default_space(
    recipe: Recipe, settled: Recipe, *, images: int, is_head: bool
) -> dict[str, Values]:
    """Make a small space around a recipe, of settings that it leaves open.

    Args:
        recipe: As the user gave it: what it says is not searched.
        settled: The same with nothing left open.
        images: In the training part.
        is_head: Behind a pretrained trunk; its images are not moved.

    Returns:
        A Space: rate and weight decay a factor of ten to both sides, the batch from half to
        twice, and one setting against learning by heart. Empty when the recipe says all of it.
    """
    asked, usual = recipe.optimizer, settled.optimizer
    space: dict[str, Values] = {}
    if asked.peak_lr is None and usual.peak_lr:
        space["optimizer.peak_lr"] = _around(usual.peak_lr)
    if recipe.batch_size is None and settled.batch_size:
        half, twice = max(settled.batch_size // 2, 1), min(2 * settled.batch_size, images)
        sizes = tuple(sorted({half, settled.batch_size, twice}))
        space |= {"batch_size": sizes} if len(sizes) > 1 else {}
    if asked.weight_decay is None and usual.weight_decay:
        space["optimizer.weight_decay"] = _around(usual.weight_decay, most=0.99)
    if is_head and recipe.dropout is None:
        space["dropout"] = Range(low=0.0, high=0.5)
    if not is_head and recipe.augment.shift is None:
        space["augment.shift"] = Range(low=0.0, high=0.25)
    return space


def starting_point(space: Space, settled: Recipe) -> dict[str, Choice] | None:
    """Give the starting recipe as a point of the space; None when it does not lie in it."""
    point: dict[str, Choice] = {}
    for name, values in space.items():
        value: Any = settled
        for step in name.split("."):
            value = value.get(step) if isinstance(value, dict) else getattr(value, step, None)
        if isinstance(values, Range):
            is_within = isinstance(value, int | float) and values.low <= value <= values.high
        else:
            is_within = value in values
        if not is_within:
            return None
        point[name] = value
    return point


def takes_whole_numbers(name: str) -> bool:
    """Tell whether a setting of a recipe is a whole number, such as a batch size."""
    kind: Any = Recipe
    for step in name.split("."):
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
            continue
        declared = next(f.type for f in msgspec.structs.fields(kind) if f.name == step)
        kinds = [one for one in (get_args(declared) or (declared,)) if one is not type(None)]
        kind = declared if get_origin(declared) is dict else kinds[0]
    return kind is int


def _around(value: float, *, most: float = math.inf) -> Range:
    """Give the range of a factor of ten to both sides, to two digits as a person writes it."""
    low, high = (float(f"{end:.2g}") for end in (value / 10, min(value * 10, most)))
    return Range(low=low, high=high, log=True)


def _declared(document: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Values]]:
    for key, value in document.items():
        name = f"{above}{key}"
        if isinstance(value, dict) and not {"low", "high"} & value.keys():
            yield from _declared(value, f"{name}.")  # a dotted name without its quotes
        elif isinstance(value, dict):
            yield name, from_document(value, Range, where=f"tune.{name}", error=RecipeError)
        elif isinstance(value, list | tuple) and all(isinstance(one, Choice) for one in value):
            yield name, tuple(value)
        else:
            raise RecipeError(
                f"tune.{name} = {value!r} is neither a range nor a list of values",
                hint=f'"{name}" = {{ low = 0.1, high = 0.5 }}   (or a list)',
            )


def _parsed(name: str, value: str) -> Values:
    ends, _, how = value.partition(":")
    low, dots, high = ends.partition("..")
    if not dots:
        return tuple(_as_choice(word.strip()) for word in value.split(","))
    try:
        if how not in ("", "log"):
            raise ValueError(how)
        return Range(low=float(low), high=float(high), log=how == "log")
    except ValueError as wrong:
        raise RecipeError(
            f"--space {name}={value}: {wrong}", hint=f"--space {name}=1e-4..1e-1:log"
        ) from wrong


def _as_choice(word: str) -> Choice:
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _written(value: Choice) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tried(recipe: Recipe, name: str, value: Choice, *, is_range: bool) -> None:
    """Put a value into a recipe, to see whether it fits."""
    try:
        if is_range and isinstance(value, float) and value.is_integer():
            value = int(value)  # an end of a range of whole numbers, which TOML may write as 16.0
        tried = with_settings(recipe, {name: value})
        if name == "model" and tried.model is not None:
            from darkroom.models.catalog import network_named  # with Keras, which takes seconds

            network_named(tried.model)
    except RecipeError as refused:
        hint = refused.hint.replace("--set ", "--space ")
        problem = refused.problem.removeprefix("--set ")
        raise RecipeError(f"the space holds {name}: {problem}", hint=hint) from refused
