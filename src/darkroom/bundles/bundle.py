"""The Bundle artifact: everything production needs to answer, and to prove that it still can."""

from __future__ import annotations

import html
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from darkroom.bundles.record import BundleRecord, Score
from darkroom.errors import DarkroomError
from darkroom.records import from_json
from darkroom.storage import MANIFEST, Manifest, verified
from darkroom.wording import percent
from darkroom.workspace import Workspace

if TYPE_CHECKING:
    from darkroom.bundles.prediction import Prediction
    from darkroom.bundles.predictor import Predictor


class Bundle:
    """A deployable classifier.

    Args:
        path: The artifact's folder.
        manifest: Its verified manifest.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        where = path / "bundle.json"
        self.record = from_json(where.read_bytes(), BundleRecord, where=str(where))

    @property
    def name(self) -> str:
        """Name and version, as commands take them."""
        return f"{self.record.name}/{self.record.version}"

    @cached_property
    def predictor(self) -> Predictor:
        """The loaded network, proven on the golden images.

        Raises:
            ArtifactError: It does not answer as it did when it was packed.
        """
        from darkroom.bundles.predictor import Predictor  # the runtime, only when it is used

        return Predictor(self.path, self.record)

    def predict(self, image: str | Path | bytes) -> Prediction:
        """Answer for one image.

        Args:
            image: A file's path, or the bytes of one.

        Raises:
            DataError: It is no readable image.
            ArtifactError: The bundle does not answer as it did when it was packed.
        """
        return self.predictor.predict([image])[0]

    def summary(self) -> str:
        """Say in one line what it is and how good it was."""
        score = self.record.score
        return (
            f"{self.record.model} · {len(self.record.classes)} classes · {score.part} "
            f"{percent(score.accuracy)} ({percent(score.low)} .. {percent(score.high)})"
        )

    def __repr__(self) -> str:
        return f"Bundle({self.name}: {self.summary()})"

    def _repr_html_(self) -> str:
        proof = self.record.proof
        return (
            f"<p><b>{html.escape(self.name)}</b> · {html.escape(self.summary())}</p>"
            f"<p>The exported network gave the run's answer on {proof.same_answers} of "
            f"{proof.images} images; largest difference {proof.largest_difference:.1e}.</p>"
            f"<p>{html.escape(', '.join(self.record.classes))}</p>"
        )


def open_bundle(bundle: str | Path, *, workspace: Workspace | None = None) -> Bundle:
    """Open a bundle by its path or its name, every byte checked.

    Args:
        bundle: For example `workspace/bundles/photos/0.1.0` or `photos/0.1.0`.
        workspace: Where bundles are found by name; a path needs none.

    Raises:
        ArtifactError: There is none, or a file in it is missing, changed or added.
    """
    path = Path(bundle)
    if not (path / MANIFEST).is_file():
        path = (workspace or Workspace()).find(bundle, "bundle")
    return Bundle(path, verified(path, "bundle"))


class BundleSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One line in a list of bundles."""

    name: str  # with its version
    made_at: str  # ISO 8601, UTC
    model: str
    score: Score
    path: str


def list_bundles(workspace: Workspace | None = None) -> list[BundleSummary]:
    """List the bundles of the workspace, the newest first.

    Damaged ones are left out.

    Args:
        workspace: Default is the current one.
    """
    summaries = []
    for path, manifest in (workspace or Workspace()).artifacts("bundle"):
        try:
            record = from_json((path / "bundle.json").read_bytes(), BundleRecord, where=str(path))
        except (OSError, DarkroomError):
            continue  # one damaged bundle must not hide the others
        summaries.append(
            BundleSummary(
                name=manifest.name,
                made_at=manifest.made_at,
                model=record.model,
                score=record.score,
                path=str(path),
            )
        )
    return summaries
