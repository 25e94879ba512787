"""`darkroom explain`: what is printed, what is written, what is refused."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from darkroom.cli.explain import explain as command
from darkroom.errors import ArtifactError, DataError, RecipeError
from tests.making import image_bytes


@pytest.fixture
def typed(run, evaluation, monkeypatch, tmp_path):
    """Give what types the command in the shared workspace."""
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(run.workspace.root))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.png").write_bytes(image_bytes("ball", 77))

    def type_command(*words: str):
        return CliRunner().invoke(command, [*words], catch_exceptions=False)

    return type_command


def test_the_last_line_is_the_folder_and_prose_goes_beside_it(typed, run, tmp_path):
    done = typed(run.name, "new.png", "--method", "grad-cam", "--to", "out")
    assert done.exit_code == 0
    assert done.stdout == "out\n"
    assert "grad-cam" in done.stderr
    assert "trustworthy" in done.stderr
    assert (tmp_path / "out" / "index.html").read_text().startswith("<!doctype html>")


def test_json_holds_every_number(typed, bundle, tmp_path):
    done = typed(bundle.name, "new.png", "--method", "occlusion", "--to", "out", "--json")
    told = json.loads(done.stdout)
    (method,) = told["explanations"]["methods"]
    assert method["name"] == "occlusion"
    assert method["trust"][0]["likeness"] is None
    assert told["explanations"]["can_redraw"] is False
    assert told["path"] == "out"


def test_a_bundle_says_what_was_not_tested(typed, bundle):
    done = typed(bundle.name, "new.png", "--to", "out")
    assert "random weights were not tried" in done.stderr


def test_a_class_and_a_budget_are_obeyed(typed, run):
    words = ("new.png", "--method", "occlusion", "--class", "stripe", "--budget", "17")
    done = typed(run.name, *words, "--to", "out", "--json")
    told = json.loads(done.stdout)["explanations"]
    assert told["images"][0]["explained"] == "stripe"
    assert told["effort"]["answers"] == 17


@pytest.mark.parametrize(
    ("words", "kind", "told"),
    [
        (("--method", "gradcam"), RecipeError, "grad-cam"),
        (("--class", "bal"), DataError, "ball"),
        (("--budget", "3"), RecipeError, "--budget"),
        (("--seconds", "-1"), RecipeError, "seconds"),
        (("--method", "lime", "--budget", "5"), RecipeError, "lime"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_can(typed, run, words, kind, told):
    with pytest.raises(kind) as refused:
        typed(run.name, "new.png", *words)
    assert told in str(refused.value)


def test_a_file_that_is_no_image_is_named(typed, run, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(DataError) as refused:
        typed(run.name, "broken.png")
    assert "broken.png" in refused.value.problem


def test_a_folder_that_exists_is_left_alone(typed, run, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(ArtifactError):
        typed(run.name, "new.png", "--method", "grad-cam", "--to", "out")
    assert list((tmp_path / "out").iterdir()) == []
