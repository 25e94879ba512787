"""The tutorial on a model that is stuck, typed as it stands, on real photographs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

import darkroom
from darkroom.cli.train import train as command
from tests.making import real_data

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "tutorials" / "stuck-at-seventy-percent.md"
WEIGHTS = "weights/mobilenet_v2_1.0_224_no_top.weights.h5"
OF_THE_NETWORK = {"underfitting", "too-few-epochs", "overfitting"}


def typed() -> list[list[str]]:
    """Give the words of every training that the page shows."""
    lines = re.findall(r"^ {4}\$ darkroom train (.*)$", PAGE.read_text(), re.MULTILINE)
    return [shlex.split(line) for line in lines]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Type them one after the other, and give each run with what was said of it."""
    weights, photos = real_data(WEIGHTS), real_data("dogscats")
    folder = tmp_path_factory.mktemp("stuck")
    steps = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DARKROOM_WORKSPACE", str(folder / "workspace"))
        Path("photos").symlink_to(photos.resolve())
        for words in typed():
            if words[0] != "photos":  # the dataset that the second step dealt
                words[0] = steps[1][0].dataset.name
            if "model=mobilenet_v2" in words:
                words += ["--set", f"transfer.weights={weights}"]
            said = CliRunner().invoke(command, words, catch_exceptions=False)
            assert said.exit_code == 0
            steps.append((darkroom.open_run(Path(said.stdout.strip()).resolve()), said.stderr))
    return steps


def found(run) -> list[str]:
    return [finding.name for finding in darkroom.diagnose(run)]


def test_it_goes_from_finding_to_finding_to_none(trained):
    (first, _), *between, (last, said) = trained
    assert found(first)[0] == "tiny-validation"
    for run, _ in between:
        assert "tiny-validation" not in found(run)
        assert OF_THE_NETWORK & set(found(run))
    assert found(last) == []
    assert "nothing found" in said


def test_each_step_is_what_the_one_before_advised(trained):
    for (run, _), words in zip(trained[:3], typed()[1:4], strict=True):
        advised = [set(shlex.split(finding.next_step)[3:]) for finding in darkroom.diagnose(run)]
        assert set(words[1:]) in advised


def test_it_ends_far_better_on_the_same_images(trained):
    (_, _), (second, _), *_, (last, _) = trained
    assert second.dataset.fingerprint("valid") == last.dataset.fingerprint("valid")
    assert second.best.valid_accuracy < 0.8
    assert last.best.valid_accuracy > 0.95
