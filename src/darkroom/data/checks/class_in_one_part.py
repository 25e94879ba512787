"""Classes that are missing from a part: never learned, or never measured."""

from __future__ import annotations

from darkroom.data.dataset import Dataset
from darkroom.findings import Finding, Severity


def class_in_one_part(dataset: Dataset) -> list[Finding]:
    """Name the classes that are missing from the training part or from every other part.

    A class that only one part has, or that training never sees, is an error; one that misses a
    single part beside training is a warning.
    """
    pairs = dataset.index.explode("labels").select("labels", "part").drop_nulls().unique()
    parts: dict[int, set[str]] = {}
    for label, part in pairs.iter_rows():
        parts.setdefault(label, set()).add(part)
    wanted = {part for part in ("train", "valid", "test") if part in dataset.counts}
    findings = []
    for label, name in enumerate(dataset.classes):
        have = parts.get(label, set()) & wanted
        if len(wanted) < 2 or have == wanted:
            continue
        severity: Severity = "error" if len(have) == 1 or "train" not in have else "warning"
        findings.append(
            Finding(
                name="class-in-one-part",
                severity=severity,
                what=(
                    f"the class {name} is in {' and '.join(sorted(have)) or 'no part'}, "
                    f"not in {' and '.join(sorted(wanted - have))}"
                ),
                where=(name,),
                next_step="add images of this class, or split again: darkroom train FOLDER",
            )
        )
    return findings
