"""Classes that are missing from a part: never learned, or never measured."""

from __future__ import annotations

from darkroom.data.checks.naming import first_few
from darkroom.data.dataset import Dataset
from darkroom.data.wording import for_want_of_images
from darkroom.findings import Finding

_PARTS = ("train", "valid", "test")


def class_in_one_part(dataset: Dataset) -> list[Finding]:
    """Name the classes that are missing from the training part or from every other part.

    A class that only one part has, or that training never sees, is an error; one that misses a
    single part beside training is a warning. Classes that miss the same parts share a finding.
    """
    wanted = tuple(part for part in _PARTS if part in dataset.counts)
    if len(wanted) < 2:
        return []
    pairs = dataset.index.explode("labels").select("labels", "part").drop_nulls().unique()
    parts: dict[int, set[str]] = {}
    for label, part in pairs.iter_rows():
        parts.setdefault(label, set()).add(part)
    alike: dict[tuple[str, ...], list[str]] = {}
    for label, name in enumerate(dataset.classes):
        have = tuple(part for part in wanted if part in parts.get(label, ()))
        if have != wanted:
            alike.setdefault(have, []).append(name)
    return [_finding(dataset, names, have, wanted) for have, names in alike.items()]


def _finding(
    dataset: Dataset, names: list[str], have: tuple[str, ...], wanted: tuple[str, ...]
) -> Finding:
    there = " and ".join(have) or "no part"
    missing = " and ".join(part for part in wanted if part not in have)
    if len(names) == 1:
        what = f"the class {names[0]} is in {there}, not in {missing}"
    else:
        what = f"{len(names):,} classes are in {there}, not in {missing}: {first_few(names)}"
    return Finding(
        name="class-in-one-part",
        severity="error" if len(have) == 1 or "train" not in have else "warning",
        what=what,
        where=tuple(names),
        next_step=for_want_of_images(
            dataset, "add images of what is missing, or deal all images anew: --set data.parts=anew"
        ),
    )
