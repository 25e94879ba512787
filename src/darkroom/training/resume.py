"""`resume`: an interrupted run goes on as if nothing had happened."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote

import msgspec

from darkroom.backend import keras
from darkroom.data.dataset import Dataset
from darkroom.data.kept import parent_dataset
from darkroom.disk import claimed, is_claimed
from darkroom.errors import ArtifactError, DarkroomError, DataError
from darkroom.records import from_json
from darkroom.storage import read_manifest, write_closed_manifest
from darkroom.training.checkpoint import read_checkpoint, remove_checkpoints
from darkroom.training.loop import Announce, Growing, build_network, close_as_it_stands, grow
from darkroom.training.plan import this_machine
from darkroom.training.record import Resumption, RunRecord
from darkroom.training.run import Run, open_run
from darkroom.workspace import Workspace


def resume(
    run: str | Path,
    *,
    close: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    workspace: Workspace | None = None,
    announce: Announce | None = None,
) -> Run:
    """Go on with a run that was interrupted, from its last checkpoint.

    On the same machine, threads, backend and versions the finished run is the same, to the byte,
    as one that was never interrupted; where they differ, the run records what does.

    Args:
        run: Its path or name.
        close: Close it with the epochs it has, instead of going on.
        callbacks: As they were given to `train`; one that has `get_state` and `set_state` goes on
            from its state, others begin anew.
        workspace: Where the run is found by name.
        announce: As in `train`.

    Returns:
        The run, closed. One that was closed already is given back as it is.

    Raises:
        ArtifactError: There is no such run, another process trains it, no checkpoint can be read,
            the dataset is gone, or it is to be closed and has no finished epoch.
        DataError: An image changed since.
    """
    path = (workspace or Workspace()).find(run, "run")
    manifest = read_manifest(path)
    if manifest.state == "closed":
        return open_run(path)
    record = _read_record(path)
    if close or record.outcome != "training":
        with claimed(path):
            if not _is_over(path) and not close_as_it_stands(path, record, "interrupted"):
                raise ArtifactError(
                    f"{path} has no finished epoch to be closed with",
                    hint=f"darkroom resume {quote(str(path))}   (or remove the folder)",
                )
        return open_run(path)
    dataset = parent_dataset(Workspace(path.parent.parent), manifest.parents)
    try:
        dataset.verify_source()
    except DataError as changed:
        or_close = f"or keep the epochs it has: darkroom resume {quote(str(path))} --close"
        raise DataError(changed.problem, hint=f"{changed.hint}, {or_close}") from changed
    return go_on(path, dataset, callbacks=callbacks, announce=announce)


def go_on(
    path: Path,
    dataset: Dataset,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    announce: Announce | None = None,
) -> Run:
    """Train an open run from its last checkpoint, or from its beginning when it has none.

    Raises:
        ArtifactError: As `resume`.
    """
    with claimed(path):  # before anything is read: another process may just be finishing it
        if not _is_over(path):
            grow(_taken_up(path, dataset), callbacks, announce)
    return open_run(path)


def _taken_up(path: Path, dataset: Dataset) -> Growing:
    record = _read_record(path)
    last, wrong = read_checkpoint(path)
    # In the precision that it began with, whatever would be fast here.
    recipe = msgspec.structs.replace(record.recipe, precision=record.device.precision)
    device, versions = this_machine(recipe)
    then = msgspec.structs.asdict(record.device) | record.versions
    now = msgspec.structs.asdict(device) | versions
    differs = [
        f"{what} {now.get(what)}, was {before}"
        for what, before in then.items()
        if now.get(what) != before
    ]
    resumed = Resumption(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        epochs=len(last.position.epochs) if last else 0,
        differs=tuple(differs),
        damaged=tuple(wrong),
    )
    record = msgspec.structs.replace(record, resumed=(*record.resumed, resumed))
    return Growing(
        path=path, dataset=dataset, record=record, network=build_network(record), last=last
    )


def _is_over(path: Path) -> bool:
    """Tell whether a run came to its end; one that was killed while it was closed is closed."""
    manifest = read_manifest(path)
    if manifest.state == "open" and _read_record(path).outcome == "training":
        return False
    if manifest.state == "open":
        remove_checkpoints(path)
        write_closed_manifest(path, manifest)
    return True


def find_interrupted(dataset: Dataset, record: RunRecord) -> Path | None:
    """Look for an open run of the same plan on the same dataset that nobody trains.

    Two plans are the same when recipe, network, preparation and accepted findings are; the
    machine may be another.
    """
    for path, manifest in dataset.workspace.artifacts("run"):
        if manifest.state == "closed" or manifest.parents[0].id != dataset.manifest.id:
            continue
        try:
            begun = _read_record(path)
        except DarkroomError:
            continue
        if _plan_of(begun) == _plan_of(record) and not is_claimed(path):
            return path
    return None


def find_left_behind(dataset: Dataset) -> list[Path]:
    """Look for open runs on the same images as they were before, or dealt otherwise.

    `train` begins anew beside them: nobody trains them, and only `resume` goes on with one.
    """
    found = []
    for path, manifest in dataset.workspace.artifacts("run"):
        if manifest.state == "closed" or manifest.parents[0].id == dataset.manifest.id:
            continue
        with contextlib.suppress(DarkroomError):  # its dataset is gone or damaged
            before = parent_dataset(dataset.workspace, manifest.parents)
            if before.record.location == dataset.record.location and not is_claimed(path):
                found.append(path)
    return found


def _plan_of(record: RunRecord) -> tuple[object, ...]:
    return (
        record.recipe,
        record.pretrained,
        record.architecture,
        record.preprocess,
        record.classes,
        record.despite,
    )


def _read_record(path: Path) -> RunRecord:
    try:
        text = (path / "run.json").read_bytes()
    except OSError as gone:
        raise ArtifactError(
            f"{path} was interrupted before it began: it has no run.json",
            hint=f"remove the folder {path}, and train again",
        ) from gone
    return from_json(text, RunRecord, where=str(path / "run.json"))
