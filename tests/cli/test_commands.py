"""The commands as typed: what goes to standard output, what to standard error, and exit codes."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import shutil

import pytest

from darkroom.cli import main
from darkroom.evaluation.details import Details
from darkroom.evaluation.evaluation import Evaluation
from tests.making import draw_folder, image_bytes


@pytest.fixture
def typed(capsys):
    """Run a command in this process and give its exit code, output and prose."""

    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


@pytest.fixture
def folder(tmp_path):
    return draw_folder(tmp_path / "photos", per_class=14)


@pytest.fixture
def packed(bundle, tmp_path):
    """A bundle of its own, outside of any workspace."""
    return shutil.copytree(bundle.path, tmp_path / "shapes")


@pytest.fixture
def images(tmp_path):
    """Three images and a text file to answer for."""
    for number, label in enumerate(("ball", "box", "stripe")):
        path = tmp_path / "new" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(image_bytes(label, 77))
    (tmp_path / "new" / "notes.txt").write_text("no image")
    return tmp_path / "new"


def test_the_chain_as_typed_composes_by_its_last_lines(typed, folder, workspace, monkeypatch):
    code, run, said = typed("train", folder, "--set", "epochs=1", "--set", "model=mlp",
                            "--set", "width=0.1", "--set", "image_size=12")  # fmt: skip
    assert code == 0
    assert "bfloat16 on" in said or "float32 on" in said
    code, evaluation, said = typed("evaluate", run.strip())
    assert code == 0
    assert "95 % interval" in said
    assert "look 1" in said
    code, bundle, said = typed("pack", run.strip())
    assert code == 0
    assert "answers as the run did" in said
    code, answers, _ = typed("predict", bundle.strip(), folder / "ball" / "000.png")
    assert code == 0
    assert answers.startswith(str(folder / "ball" / "000.png"))
    for command, name in (("runs", "photos-1"), ("bundles", "photos/0.1.0")):
        assert name in typed(command)[1]
        assert json.loads(typed(command, "--json")[1])[0]["name"] == name
    kinds = [step["kind"] for step in json.loads(typed("lineage", bundle.strip(), "--json")[1])]
    assert kinds[0] == "bundle"
    assert {"run", "evaluation", "dataset"} <= set(kinds)
    assert evaluation.strip().endswith("photos-1-test-1")


def test_the_next_steps_can_be_typed_as_they_stand_where_a_folder_has_a_space(
    typed, tmp_path, workspace, monkeypatch
):
    folder = draw_folder(tmp_path / "my photos", per_class=40)
    _, _, said = typed("train", folder, "--set", "epochs=15", "--set", "batch_size=16",
                       "--set", "image_size=16")  # fmt: skip
    for command in ("evaluate", "pack", "predict"):
        words = shlex.split(re.findall(r"^ *next +darkroom (.+)$", said, re.MULTILINE)[-1])
        assert words[0] == command
        image = folder / "ball" / "000.png"
        code, _, said = typed(*(image if word == "IMAGE" else word for word in words))
        assert code == 0


def test_no_bundle_is_advised_of_a_network_that_does_no_better_than_always_one_answer(
    typed, tmp_path, workspace
):
    folder = draw_folder(tmp_path / "photos", per_class=14)
    typed("train", folder, "--set", "epochs=1", "--set", "model=mlp", "--set", "width=0.1",
          "--set", "image_size=12", "--set", "optimizer.peak_lr=1e-9")  # fmt: skip
    code, _, said = typed("evaluate")
    assert code == 0
    assert re.search(r"next +darkroom (train|tune) ", said)
    assert not re.search(r"next +darkroom pack", said)


def test_the_latest_evaluation_of_a_run_is_meant_by_its_name(
    typed, tmp_path, monkeypatch, evaluation
):
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(evaluation.workspace.root))
    code, out, _ = typed("failures", evaluation.run.name, "--to", tmp_path / "wrong")
    assert (code, out.strip()) == (0, str(tmp_path / "wrong"))


def test_a_run_that_was_not_evaluated_is_sent_to_be(typed, run, workspace):
    target = workspace.folder("run") / run.name
    shutil.copytree(run.path, target)
    code, _, said = typed("failures", run.name)
    assert code == 2
    assert f"{run.name} has not been evaluated" in said
    assert f"darkroom evaluate {run.name}" in said


def test_check_says_what_it_found_and_exits_with_1_on_an_error(typed, folder, workspace):
    assert typed("check", folder)[0] == 0
    (folder / "ball" / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    code, out, said = typed("check", folder)
    assert code == 1
    assert "broken.jpg" in said
    assert "next:" in said
    assert "datasets" in out
    code, out, _ = typed("check", folder, "--json")
    found = json.loads(out)
    assert code == 1
    assert found["findings"][0]["name"] == "unreadable"
    assert found["record"]["found"] == found["record"]["used"] + sum(found["skipped"].values())
    assert typed("check", folder, "--list", "unreadable")[1] == "ball/broken.jpg\n"
    code, _, said = typed("check", folder, "--list", "unreadible")
    assert code == 2
    assert "unreadable" in said


def test_predict_answers_for_files_folders_and_patterns(typed, packed, images):
    code, out, said = typed("predict", packed, images)
    assert code == 0
    assert len(out.splitlines()) == 3
    assert "notes.txt" in said
    assert typed("predict", packed, images / "*.png")[1] == out
    assert typed("predict", packed, images / "0.png", images / "1.png")[1] == "".join(
        line + "\n" for line in out.splitlines()[:2]
    )


def test_predict_prints_json_with_every_probability(typed, packed, images):
    rows = json.loads(typed("predict", packed, images, "--json")[1])
    assert [row["label"] for row in rows] == [row["labels"][0] for row in rows]
    assert all(sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5) for row in rows)


def test_predict_prints_a_table_for_a_competition_clipped_on_request(typed, packed, images):
    table = list(csv.DictReader(io.StringIO(typed("predict", packed, images, "--csv")[1])))
    assert [row["id"] for row in table] == ["0", "1", "2"]
    assert set(table[0]) == {"id", "ball", "box", "stripe"}
    clipped = typed("predict", packed, images, "--csv", "--clip", "0.2")[1]
    for row in csv.DictReader(io.StringIO(clipped)):
        shares = [float(row[name]) for name in ("ball", "box", "stripe")]
        assert all(0.2 <= share <= 0.8 for share in shares)


def test_ids_stay_different_when_names_repeat_in_several_folders(typed, packed, images):
    shutil.copytree(images, images / "more")
    table = csv.DictReader(io.StringIO(typed("predict", packed, images, "--csv")[1]))
    ids = [row["id"] for row in table]
    assert len(ids) == len(set(ids)) == 6


def test_one_unreadable_image_is_an_error_and_among_others_it_is_named(typed, packed, images):
    (images / "bad.png").write_bytes(image_bytes()[:60])
    code, _, said = typed("predict", packed, images / "bad.png")
    assert code == 2
    assert "try:" in said
    code, out, said = typed("predict", packed, images)
    assert code == 1
    assert "bad.png" in said
    assert len(out.splitlines()) == 3
    rows = json.loads(typed("predict", packed, images, "--json")[1])
    assert next(row for row in rows if "error" in row)["image"].endswith("bad.png")


def test_one_unreadable_image_still_gives_the_document_that_was_asked_for(typed, packed, images):
    bad = images / "bad.png"
    bad.write_bytes(image_bytes()[:60])
    code, out, said = typed("predict", packed, bad, "--json")
    assert code == 1
    assert [row["image"] for row in json.loads(out)] == [str(bad)]
    assert "bad.png" in said
    code, out, _ = typed("predict", packed, bad, "--csv")
    assert (code, out) == (1, "id,ball,box,stripe\n")


def test_a_folder_with_one_unreadable_image_is_no_error_of_the_command(typed, packed, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "bad.png").write_bytes(image_bytes()[:60])
    code, out, said = typed("predict", packed, tmp_path / "one")
    assert (code, out) == (1, "")
    assert "bad.png" in said


def test_an_image_that_a_folder_holds_and_that_is_not_taken_is_named(typed, packed, images):
    (images / ".DS_Store").write_bytes(b"x")
    assert typed("predict", packed, images)[0] == 0
    (images / "gone.png").symlink_to("nothing.png")
    code, out, said = typed("predict", packed, images)
    assert code == 1
    assert len(out.splitlines()) == 3
    assert f"{images / 'gone.png'}: broken link" in said
    assert ".DS_Store" not in said


@pytest.mark.parametrize(
    "words", [["--csv", "--json"], ["--clip", "0.1"], ["--clip", "0.9", "--csv"]]
)
def test_options_that_clash_are_refused(typed, packed, images, words):
    assert typed("predict", packed, images, *words)[0] == 2


def test_a_bundle_with_a_changed_byte_is_refused(typed, packed, images):
    data = bytearray((packed / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (packed / "model.onnx").write_bytes(data)
    code, out, said = typed("predict", packed, images)
    assert (code, out) == (2, "")
    assert said.startswith("ArtifactError:")
    assert "model.onnx" in said


def test_a_goal_in_the_file_is_judged_and_settings_lie_over_it(typed, folder, workspace, tmp_path,
                                                               monkeypatch):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    code, out, _ = typed("init")
    assert (code, out) == (0, "darkroom.toml\n")
    text = (tmp_path / "darkroom.toml").read_text()
    text = text.replace("# goal = 0.9", "goal = 0.0001").replace(
        '# source = "photos"', 'source = "photos"'
    )
    text = text.replace("# epochs = 12", "epochs = 1").replace(
        '# model = "resnet_tiny"', 'model = "mlp"'
    )
    (tmp_path / "darkroom.toml").write_text(text)
    code, _, said = typed("train", "--set", "image_size=10")
    assert code == 0
    assert "10x10 px" in said
    assert "1 epoch in" in said
    _, _, said = typed("evaluate")
    assert "met" in said
    _, _, said = typed("evaluate", "--set", "problem.goal=1", "--set", 'problem.floors={"ball": 1}')
    assert "recall of ball" in said
    assert typed("init")[0] == 2


def test_evaluate_prints_every_number_as_json(typed, run, monkeypatch):
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(run.workspace.root))
    code, out, _ = typed("evaluate", run.name, "--part", "valid", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["metrics"]["accuracy"]["of"] == run.dataset.counts["valid"]
    assert set(told["metrics"]["classes"][0]) >= {"precision", "recall", "false_positive_rate"}


def test_after_another_part_than_the_test_part_the_next_step_is_to_evaluate(
    typed, run, monkeypatch
):
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(run.workspace.root))
    monkeypatch.setattr(Evaluation, "details", Details())  # no classifier does better
    _, _, said = typed("evaluate", run.name, "--part", "valid")
    assert f"darkroom evaluate {run.path}" in said
    assert "darkroom pack" not in said


def test_a_beginning_that_was_typed_is_answered_with_what_was_taken(typed, workspace, run):
    path = shutil.copytree(run.path, workspace.folder("run") / run.name)
    begun = run.name.rpartition("-")[0]
    _, out, said = typed("lineage", begun)
    assert f"{path}, the only one that begins with {begun}" in said
    assert out.startswith(f"run {run.name}")
    for whole in (run.name, path, f"{path}/"):
        assert typed("lineage", whole)[2] == ""


def test_a_finished_run_that_is_resumed_is_given_back_with_a_word(typed, workspace, run):
    code, out, said = typed("resume", run.path, "--json")
    assert code == 0
    assert "came to its end before" in said
    told = json.loads(out)
    assert told["record"]["outcome"] == "finished"
    assert len(told["history"]) == len(run.history)


def test_a_run_that_waits_is_told_from_one_that_was_closed(typed, workspace, run):
    waiting = workspace.begin("run", "my photos", made_by="train")
    for name in ("run.json", "history.json"):
        shutil.copy(run.path / name, waiting)
    _, out, said = typed("runs")
    assert "interrupted, waits" in out
    assert shlex.split(said) == ["next", "darkroom", "resume", "my photos-1"]
    shutil.rmtree(waiting)
    shutil.copytree(run.path, workspace.folder("run") / run.name)  # the control
    _, out, said = typed("runs")
    assert ("waits" in out, said) == (False, "")


def test_the_checkpoints_of_a_run_are_not_called_damaged(typed, workspace, run):
    copied = shutil.copytree(run.path, workspace.folder("run") / "photos")
    checkpoint = copied / "checkpoints" / "000001"
    checkpoint.mkdir(parents=True)
    shutil.copy(copied / "manifest.json", checkpoint)
    _, _, said = typed("runs")
    assert said == ""


@pytest.mark.parametrize("kind", ["run", "bundle"])
@pytest.mark.parametrize("damage", ["manifest changed", "record changed", "record removed"])
def test_a_damaged_folder_is_named_and_the_others_are_listed(
    typed, workspace, kind, damage, request
):
    made = request.getfixturevalue(kind).path
    folder = workspace.folder(kind) / "photos"
    for name in ("good", "bad"):
        shutil.copytree(made, folder / name)
    file, _, how = damage.partition(" ")
    path = folder / "bad" / f"{kind if file == 'record' else file}.json"
    path.write_text("{") if how == "changed" else path.unlink()
    code, out, said = typed(f"{kind}s")
    assert code == 0
    assert len(out.splitlines()) == 2
    assert said.splitlines() == [f"damaged: {folder / 'bad'}"]
    assert len(json.loads(typed(f"{kind}s", "--json")[1])) == 1


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["check", "builtin:digits", "--set", "data.valid=0.5"], "train builtin:digits"),
        (["train", "builtin:digits", "--set", "problem.goal=0.9"], "evaluate"),
        (["evaluate", "--set", "epochs=3"], "train photos/"),
    ],
)
def test_a_setting_that_the_command_does_not_read_is_refused(typed, workspace, words, command):
    code, out, said = typed(*words)
    assert (code, out) == (2, "")
    assert f"darkroom {command} --set" in said


def test_a_split_dataset_is_trained_on_by_name_and_not_split_again(typed, dataset, monkeypatch):
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(dataset.workspace.root))
    code, _, said = typed("train", dataset.name, "--set", "data.valid=0.5")
    assert code == 2
    assert "data.valid" in said
    assert dataset.name in said


def test_nothing_made_yet_is_said_with_what_to_type(typed, workspace):
    for command in ("runs", "bundles"):
        code, out, said = typed(command)
        assert (code, out) == (0, "")
        assert "try: darkroom" in said
    code, _, said = typed("evaluate")
    assert code == 2
    assert "darkroom train" in said


def test_an_unknown_command_names_the_nearest(typed):
    code, _, said = typed("trian")
    assert code == 2
    assert "train" in said


def test_colour_is_left_out_when_asked(typed, workspace, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in typed("check", "nowhere")[2]


def test_a_bug_of_ours_shows_its_trace_and_exits_with_70(typed, workspace, monkeypatch):
    import darkroom

    def broken(*_, **__):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(darkroom, "list_runs", broken)
    code, _, said = typed("runs")
    assert code == 70
    assert "ZeroDivisionError" in said
    assert "bug" in said


def test_too_little_memory_is_an_error_of_the_house(typed, workspace, monkeypatch):
    import darkroom

    def hungry(*_, **__):
        raise MemoryError

    monkeypatch.setattr(darkroom, "list_runs", hungry)
    code, _, said = typed("runs")
    assert code == 2
    assert said.startswith("ServiceError: there is not enough memory")
    assert "Traceback" not in said


def test_a_missing_package_is_an_error_of_the_house(typed, folder, workspace, monkeypatch):
    import darkroom

    def missing(*_, **__):
        raise ModuleNotFoundError("No module named 'jax'", name="jax")

    monkeypatch.setattr(darkroom, "list_runs", missing)
    code, _, said = typed("runs")
    assert code == 2
    assert said.startswith("MissingExtra:")
    assert "darkroom-vision[gpu]" in said
