"""Fixtures: a workspace of one's own, and one small chain of artifacts shared by many tests."""

from __future__ import annotations

from pathlib import Path

import pytest

import darkroom
from tests.making import draw_folder


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> darkroom.Workspace:
    """Give an empty workspace, also as the current one."""
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(tmp_path / "workspace"))
    return darkroom.Workspace()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> darkroom.Workspace:
    """Give the workspace of the shared chain; tests read it and never change it."""
    return darkroom.Workspace(tmp_path_factory.mktemp("shared") / "workspace")


@pytest.fixture(scope="session")
def dataset(shared: darkroom.Workspace, tmp_path_factory: pytest.TempPathFactory):
    """Give a split dataset of 3 x 40 drawn images, 24 x 20 px."""
    root = draw_folder(tmp_path_factory.mktemp("drawn") / "shapes", per_class=40)
    return darkroom.split_dataset(darkroom.open_dataset(root, workspace=shared))


@pytest.fixture(scope="session")
def run(dataset):
    """Give a finished run of 3 epochs."""
    return darkroom.train(dataset, darkroom.Recipe(image_size=16, epochs=3, batch_size=16))


@pytest.fixture(scope="session")
def evaluation(run):
    """Give the run's evaluation on the test part."""
    return darkroom.evaluate(run)


@pytest.fixture(scope="session")
def bundle(run, evaluation):
    """Give the bundle of the run."""
    return darkroom.pack(run, evaluation)
