"""The Workspace: names, search, lineage, tampering and the ledger."""

from __future__ import annotations

import errno
import functools
import json
import os
import random
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from darkroom import storage
from darkroom.disk import write_file
from darkroom.errors import ArtifactError
from darkroom.records import to_json
from darkroom.storage import (
    MANIFEST,
    Kind,
    Manifest,
    Parent,
    read_manifest,
    verified,
    write_closed_manifest,
)
from darkroom.workspace import KINDS, Workspace
from tests.failing_disk import Disk, below, in_children


def make(
    workspace: Workspace, kind: Kind, name: str, *parents: Path, content: bytes = b"content"
) -> Path:
    """Make a small closed artifact of some parents."""
    above = tuple(read_manifest(parent).as_parent() for parent in parents)
    with workspace.stage(kind, name, made_by="pack", parents=above) as staging:
        write_file(staging / "record.json", content)
        write_file(staging / "golden" / "0.png", b"pixels" * 10)
    return workspace.folder(kind) / name


@pytest.fixture
def bundle_path(workspace: Workspace) -> Path:
    return make(workspace, "bundle", "photos/0.1.0")


def test_the_workspace_is_the_one_the_environment_names(monkeypatch, tmp_path):
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(tmp_path / "elsewhere"))
    path = make(Workspace(), "run", "photos-1")
    assert path == tmp_path / "elsewhere" / "runs" / "photos-1"


def test_a_root_that_is_given_counts_more_than_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(tmp_path / "elsewhere"))
    assert Workspace(tmp_path / "here").root == tmp_path / "here"


@pytest.mark.parametrize("value", [None, ""])
def test_without_an_environment_the_workspace_is_in_the_current_folder(value, monkeypatch):
    monkeypatch.delenv("DARKROOM_WORKSPACE", raising=False)
    if value is not None:
        monkeypatch.setenv("DARKROOM_WORKSPACE", value)
    assert Workspace().root == Path("workspace")


def test_looking_at_a_workspace_makes_nothing(workspace):
    assert workspace.artifacts("run") == []
    assert workspace.events("look", subject="a") == []
    assert workspace.next_name("run", "photos") == "photos-1"
    assert not workspace.root.exists()


def test_the_cache_lies_inside_and_is_no_artifact(workspace):
    make(Workspace(workspace.cache), "run", "hidden")
    assert workspace.cache.parent == workspace.root
    assert all(workspace.artifacts(kind) == [] for kind in KINDS)


def test_an_artifact_says_what_it_is_and_what_it_was_made_of(workspace, bundle_path):
    child = make(workspace, "evaluation", "photos-test-1", bundle_path)
    manifest = verified(child, "evaluation")
    assert (manifest.kind, manifest.name) == ("evaluation", "photos-test-1")
    assert (manifest.state, manifest.made_by) == ("closed", "pack")
    assert manifest.parents == (read_manifest(bundle_path).as_parent(),)
    assert datetime.fromisoformat(manifest.made_at).tzinfo is not None


def test_content_is_listed_with_its_size_and_forward_slashes(bundle_path):
    content = verified(bundle_path, "bundle").content
    assert [(each.path, each.size_bytes) for each in content] == [
        ("golden/0.png", 60),
        ("record.json", 7),
    ]


def test_an_open_artifact_is_listed_and_is_not_verified(workspace):
    path = workspace.begin("run", "photos", made_by="train")
    assert [manifest.state for _, manifest in workspace.artifacts("run")] == ["open"]
    with pytest.raises(ArtifactError, match="never finished") as refused:
        verified(path, "run")
    assert "darkroom train" in refused.value.hint


def test_an_open_artifact_keeps_its_id_when_it_is_closed(workspace):
    path = workspace.begin("run", "photos", made_by="train")
    begun = read_manifest(path)
    write_file(path / "history.json", b"{}")
    write_closed_manifest(path, begun)
    assert verified(path, "run").id == begun.id


COMMANDS: dict[Kind, str] = {
    "dataset": "darkroom check SOURCE",
    "run": "darkroom train",
    "evaluation": "darkroom evaluate",
    "bundle": "darkroom pack",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", ["open", "missing", "changed"])
def test_a_hint_names_the_command_of_the_kind_and_not_the_verb_that_was_called(
    kind, damage, workspace
):
    path = workspace.begin(kind, "photos", made_by="verb")
    write_file(path / "record.json", b"content")
    if damage != "open":
        write_closed_manifest(path, read_manifest(path))
    if damage == "missing":
        (path / "record.json").unlink()
    if damage == "changed":
        (path / "record.json").write_bytes(b"Content")
    with pytest.raises(ArtifactError) as refused:
        verified(path, kind)
    assert COMMANDS[kind] in refused.value.hint
    assert "verb" not in refused.value.hint


def test_an_artifact_of_another_kind_is_refused(bundle_path):
    with pytest.raises(ArtifactError, match="is a bundle, not a run"):
        verified(bundle_path, "run")


def test_a_folder_without_a_manifest_is_no_artifact(tmp_path):
    with pytest.raises(ArtifactError, match="not an artifact") as refused:
        read_manifest(tmp_path)
    assert str(tmp_path) in refused.value.problem


def test_artifacts_are_listed_the_newest_first(workspace):
    for day, name in ((2, "b"), (3, "c"), (1, "a")):
        path = make(workspace, "run", name)
        manifest = msgspec.structs.replace(
            read_manifest(path), made_at=f"2026-01-0{day}T00:00:00+00:00"
        )
        write_closed_manifest(path, manifest)
    assert [manifest.name for _, manifest in workspace.artifacts("run")] == ["c", "b", "a"]


def names_of(workspace: Workspace) -> list[str]:
    return [manifest.name for _, manifest in workspace.artifacts("run")]


def test_artifacts_made_within_one_second_are_listed_the_newest_first(workspace):
    for name in ("b", "c", "a"):
        make(workspace, "run", name)
    assert names_of(workspace) == ["a", "c", "b"]


def test_the_time_is_written_with_microseconds(bundle_path):
    made_at = read_manifest(bundle_path).made_at
    assert made_at == datetime.fromisoformat(made_at).isoformat(timespec="microseconds")


def test_of_one_time_the_higher_number_is_listed_first(workspace):
    names = ["x-9", "x-10", "x-1", "x-100", "x", "1-x"]
    for name in names:
        path = make(workspace, "run", name)
        manifest = msgspec.structs.replace(read_manifest(path), made_at="2026-01-01T00:00:00+00:00")
        write_closed_manifest(path, manifest)
    assert names_of(workspace) == ["x-100", "x-10", "x-9", "x-1", "x", "1-x"]
    assert sorted(names, reverse=True) != names_of(workspace)  # letter by letter x-9 is last


def test_an_id_that_is_given_is_kept_and_others_are_drawn(workspace):
    with workspace.stage("dataset", "photos", made_by="open", identity="5" * 32):
        pass
    assert read_manifest(workspace.folder("dataset") / "photos").id == "5" * 32
    drawn = {read_manifest(make(workspace, "run", name)).id for name in ("a", "b")}
    assert len(drawn) == 2
    assert {len(each) for each in drawn} == {32}


def test_damaged_and_unfinished_artifacts_are_not_listed(workspace):
    (make(workspace, "run", "damaged") / MANIFEST).write_text("{")
    with workspace.stage("run", "unfinished", made_by="train") as staging:
        write_file(staging / MANIFEST, (make(workspace, "run", "whole") / MANIFEST).read_bytes())
        assert [manifest.name for _, manifest in workspace.artifacts("run")] == ["whole"]


def test_a_workspace_below_a_folder_named_like_staging_is_listed(tmp_path):
    workspace = Workspace(tmp_path / ".staging-area")
    path = make(workspace, "run", "photos-1")
    assert [found for found, _ in workspace.artifacts("run")] == [path]


def change_byte(folder: Path) -> None:
    data = (folder / "record.json").read_bytes()
    (folder / "record.json").write_bytes(b"C" + data[1:])


def add_file(folder: Path) -> None:
    (folder / "golden" / "extra.png").write_bytes(b"")


def rename_file(folder: Path) -> None:
    (folder / "golden" / "0.png").rename(folder / "golden" / "1.png")


def link_file(folder: Path) -> None:
    (folder / "record.json").rename(folder.parent / "copy")
    (folder / "record.json").symlink_to(folder.parent / "copy")


def link_folder(folder: Path) -> None:
    (folder / "golden").rename(folder.parent / "copy")
    (folder / "golden").symlink_to(folder.parent / "copy")


def link_manifest(folder: Path) -> None:
    (folder / MANIFEST).rename(folder.parent / "copy")
    (folder / MANIFEST).symlink_to(folder.parent / "copy")


def pipe_file(folder: Path) -> None:
    (folder / "record.json").unlink()
    os.mkfifo(folder / "record.json")


def edit_manifest(folder: Path, **changes: object) -> None:
    document = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(document | changes))


TAMPERINGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed byte": (change_byte, "record.json"),
    "a longer file": (lambda folder: (folder / "record.json").write_bytes(b"long" * 9), "record"),
    "a missing file": (lambda folder: (folder / "record.json").unlink(), "record.json"),
    "an added file": (add_file, "golden/extra.png"),
    "a renamed file": (rename_file, "golden/0.png"),
    "a link for a file": (link_file, "record.json"),
    "a link for a folder": (link_folder, "golden"),
    "a link for the manifest": (link_manifest, MANIFEST),
    "a pipe for a file": (pipe_file, "record.json"),
    "another name": (lambda folder: edit_manifest(folder, name="other"), MANIFEST),
    "other parents": (lambda folder: edit_manifest(folder, parents=[]), MANIFEST),
    "no content": (lambda folder: edit_manifest(folder, content=[]), MANIFEST),
    "another digest": (lambda folder: edit_manifest(folder, digest="0" * 64), MANIFEST),
    "an unknown field": (lambda folder: edit_manifest(folder, trusted=True), "trusted"),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_a_tampered_artifact_is_refused_by_what_was_changed(tampering, workspace, bundle_path):
    tamper, place = TAMPERINGS[tampering]
    child = make(workspace, "evaluation", "photos-test-1", bundle_path)
    tamper(child)
    with pytest.raises(ArtifactError) as refused:
        verified(child, "evaluation")
    assert place in refused.value.problem
    assert refused.value.hint


def test_an_artifact_that_nobody_touched_is_accepted(bundle_path):
    assert verified(bundle_path, "bundle").name == "photos/0.1.0"


def has_its_sizes(folder: Path, kind: Kind) -> None:
    """Check an artifact less well than `verified`: only its manifest and its sizes."""
    for content in read_manifest(folder).content:
        if (folder / content.path).stat().st_size != content.size_bytes:
            raise ArtifactError("a size is wrong", hint=kind)


def refusals(folder: Path, check: Callable[[Path, Kind], object], times: int) -> int:
    """Flip one bit at a random offset of an artifact, many times, and count the refusals."""
    chance = random.Random(2026)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    places = [(path, offset) for path in files for offset in range(path.stat().st_size)]
    refused = 0
    for path, offset in chance.choices(places, k=times):
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[offset] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        try:
            check(folder, "bundle")
        except ArtifactError:
            refused += 1
        path.write_bytes(whole)
    return refused


def test_200_of_200_flipped_bits_are_refused(bundle_path):
    assert refusals(bundle_path, verified, 200) == 200


def test_a_check_of_sizes_alone_lets_flipped_bits_pass(bundle_path):
    assert refusals(bundle_path, has_its_sizes, 200) < 200


def test_a_manifest_that_leads_out_of_its_folder_is_refused(workspace, bundle_path):
    (workspace.root / "secret").write_bytes(b"secret")
    manifest = read_manifest(bundle_path)
    outside = msgspec.structs.replace(manifest.content[0], path="../../../secret")
    forged = msgspec.structs.replace(manifest, content=(outside, *manifest.content))
    (bundle_path / MANIFEST).write_bytes(to_json(storage._sealed(forged)))
    with pytest.raises(ArtifactError, match=r"\.\./secret is missing"):
        verified(bundle_path, "bundle")


def test_a_manifest_from_a_newer_darkroom_says_what_to_install(bundle_path):
    edit_manifest(bundle_path, schema=Manifest.SCHEMA + 1)
    with pytest.raises(ArtifactError, match="schema") as refused:
        read_manifest(bundle_path)
    assert "pip install" in refused.value.hint


def test_a_manifest_from_an_older_darkroom_keeps_its_own_digest(bundle_path, monkeypatch):
    monkeypatch.setattr(Manifest, "SCHEMA", 2)
    monkeypatch.setattr(
        Manifest, "UPGRADES", {1: lambda old: {**old, "made_by": "upgraded"}}, raising=False
    )
    assert verified(bundle_path, "bundle").made_by == "upgraded"


def test_an_older_manifest_that_was_edited_is_still_refused(bundle_path, monkeypatch):
    edit_manifest(bundle_path, name="other")
    monkeypatch.setattr(Manifest, "SCHEMA", 2)
    monkeypatch.setattr(Manifest, "UPGRADES", {1: dict}, raising=False)
    with pytest.raises(ArtifactError, match="changed"):
        verified(bundle_path, "bundle")


def test_a_taken_name_is_refused(workspace, bundle_path):
    with pytest.raises(ArtifactError, match="exists") as refused:
        make(workspace, "bundle", "photos/0.1.0")
    assert str(bundle_path) in refused.value.problem


@pytest.mark.parametrize("stem", ["photos", "my photos [2024]", "a*b", "photos-1"])
def test_names_are_numbered_upwards(stem, workspace):
    paths = [workspace.begin("run", stem, made_by="train") for _ in range(3)]
    assert [path.name for path in paths] == [f"{stem}-1", f"{stem}-2", f"{stem}-3"]


def test_the_next_number_is_above_every_one_that_exists(workspace):
    for name in ("photos-2", "photos-10", "photos-test-30", "photos-x", "photo-40", "photos"):
        make(workspace, "run", name)
    assert workspace.next_name("run", "photos") == "photos-11"


def test_a_number_taken_in_between_is_passed_over(workspace, monkeypatch):
    real, rivals = workspace.next_name, ["photos-1"]

    def late(kind: Kind, stem: str) -> str:
        name = real(kind, stem)
        if rivals:
            make(workspace, kind, rivals.pop())
        return name

    monkeypatch.setattr(workspace, "next_name", late)
    assert workspace.begin("run", "photos", made_by="train").name == "photos-2"


def test_processes_that_begin_at_one_time_get_a_number_each(workspace):
    begin = functools.partial(workspace.begin, "run", "photos", made_by="train")
    assert in_children(*[begin] * 4) == [0] * 4
    names = {manifest.name for _, manifest in workspace.artifacts("run")}
    assert names == {f"photos-{number}" for number in range(1, 5)}


@pytest.mark.parametrize("fail_at", range(1, 12))
@pytest.mark.parametrize("trouble", ["io error", "short write"])
def test_beginning_on_a_disk_that_stays_broken_ends_with_an_error(fail_at, trouble, workspace):
    with below(Disk(fail_at, trouble, lasting=True)), pytest.raises(ArtifactError):
        workspace.begin("run", "photos", made_by="train")
    assert len(list(workspace.root.rglob("photos-*"))) <= 1


@pytest.mark.parametrize(
    "text",
    ["photos/0.1.0", "photos/0.1.0/", "photos", "photos/0", "{id}", "{id:.8}", "{path}"],
)
def test_an_artifact_is_found_by_any_of_its_names(text, workspace, bundle_path):
    make(workspace, "run", "other-1")
    identity = read_manifest(bundle_path).id
    assert workspace.find(text.format(id=identity, path=bundle_path)) == bundle_path


def test_a_whole_name_counts_more_than_the_beginning_of_another(workspace):
    wanted = make(workspace, "run", "photos-1")
    make(workspace, "run", "photos-10")
    assert workspace.find("photos-1") == wanted


@pytest.mark.parametrize("text", ["photos-1", "photos-10/", "{id:.3}", "..", "photos-12\0"])
def test_a_number_is_not_cut_and_few_digits_of_an_id_mean_nothing(text, workspace):
    path = make(workspace, "run", "photos-12")
    with pytest.raises(ArtifactError, match="no run called"):
        workspace.find(text.format(id=read_manifest(path).id), "run")


def test_a_damaged_artifact_is_meant_by_its_name_and_not_another_that_begins_so(workspace):
    path = make(workspace, "run", "photos")
    (path / MANIFEST).write_text("{")
    make(workspace, "run", "photos-of-may-1")
    assert workspace.find("photos", "run") == path


@pytest.mark.parametrize("is_here", [True, False])
def test_a_workspace_whose_path_is_not_utf_8_is_refused(tmp_path, monkeypatch, is_here):
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    odd.mkdir()
    if is_here:
        monkeypatch.chdir(odd)
    with pytest.raises(ArtifactError) as caught:
        Workspace("workspace" if is_here else odd)
    assert "caf\\xe9" in caught.value.problem


def test_a_workspace_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "workspace").touch()
    with pytest.raises(ArtifactError, match="is a file") as refused:
        Workspace(tmp_path / "workspace")
    assert "DARKROOM_WORKSPACE" in refused.value.hint


def test_only_the_kinds_asked_for_are_searched(workspace):
    make(workspace, "run", "photos-1")
    wanted = make(workspace, "evaluation", "photos-1-test-1")
    assert workspace.find("photos", "evaluation", "bundle") == wanted


def test_a_beginning_that_means_two_artifacts_names_them(workspace):
    paths = [make(workspace, "run", name) for name in ("photos-1", "photos-2")]
    with pytest.raises(ArtifactError, match="`photos` means 2") as refused:
        workspace.find("photos")
    assert all(str(path) in refused.value.problem for path in paths)
    assert str(paths[1]) in refused.value.hint


def test_what_the_hint_names_is_found(workspace):
    for name in ("photos-1", "photos-2"):
        make(workspace, "run", name)
    with pytest.raises(ArtifactError) as refused:
        workspace.find("photos")
    example = refused.value.hint.rpartition("for example: ")[2]
    assert workspace.find(example) == Path(example)


@pytest.mark.parametrize("text", ["photso-1", "", "/", "a" * 5000])
def test_an_artifact_that_is_not_there_names_the_nearest(text, workspace):
    make(workspace, "run", "photos-1")
    with pytest.raises(ArtifactError, match="no run or bundle") as refused:
        workspace.find(text, "run", "bundle")
    assert "photos-1" in refused.value.hint
    assert str(workspace.root) in refused.value.problem


def test_in_an_empty_workspace_the_hint_is_the_first_command(workspace):
    with pytest.raises(ArtifactError, match="photos-1") as refused:
        workspace.find("photos-1")
    assert refused.value.hint.startswith("darkroom train")


def test_a_parent_is_found_by_its_id_under_any_name(workspace, bundle_path):
    parent = msgspec.structs.replace(read_manifest(bundle_path).as_parent(), name="old name")
    assert workspace.find_parent(parent) == bundle_path


def test_a_parent_in_another_workspace_is_named(workspace, bundle_path, tmp_path):
    make(workspace, "bundle", "photos/0.2.0")
    parent = Parent(kind="bundle", id="0" * 32, name="far/1.0.0", digest="")
    with pytest.raises(ArtifactError, match=r"bundle far/1\.0\.0") as refused:
        workspace.find_parent(parent)
    assert "DARKROOM_WORKSPACE" in refused.value.hint


@pytest.fixture
def chain(workspace: Workspace) -> Iterator[Path]:
    """Give a bundle of a run and its evaluation, which share the run and its dataset."""
    dataset = make(workspace, "dataset", "photos")
    run = make(workspace, "run", "photos-1", dataset)
    evaluation = make(workspace, "evaluation", "photos-1-test-1", run, dataset)
    return make(workspace, "bundle", "photos/0.1.0", run, evaluation)


def test_a_lineage_walks_every_parent_and_none_twice(workspace, chain):
    steps = [(step.depth, step.name) for step in workspace.lineage(chain)]
    assert steps == [
        (0, "photos/0.1.0"),
        (1, "photos-1"),
        (2, "photos"),
        (1, "photos-1-test-1"),
        (2, "photos-1"),
        (2, "photos"),
    ]


def test_a_lineage_names_a_parent_that_is_not_in_the_workspace(workspace, chain, tmp_path):
    (workspace.folder("run") / "photos-1").rename(tmp_path / "moved")
    gone = [step for step in workspace.lineage(chain) if not step.found]
    assert {(step.kind, step.name, step.made_at) for step in gone} == {("run", "photos-1", "")}


def test_a_lineage_of_an_artifact_from_elsewhere_begins_with_it(workspace, chain, tmp_path):
    steps = Workspace(tmp_path / "empty").lineage(chain)
    assert [step.found for step in steps] == [True, False, False]


def test_a_lineage_that_runs_in_a_circle_ends(workspace):
    run = make(workspace, "run", "photos-1")
    itself = read_manifest(run)
    write_closed_manifest(run, msgspec.structs.replace(itself, parents=(itself.as_parent(),)))
    assert [step.depth for step in workspace.lineage(run)] == [0, 1]


def test_events_come_back_in_order_and_only_of_what_was_asked(workspace):
    for event, subject, by in (
        ("look", "a", "first"),
        ("look", "b", "other subject"),
        ("promote", "a", "other event"),
        ("look", "a", "second"),
    ):
        workspace.record_event(event, subject=subject, by=by)
    assert [event.by for event in workspace.events("look", subject="a")] == ["first", "second"]


def test_an_event_keeps_newlines_and_every_letter(workspace):
    detail = 'two\nlines, "quotes", \u2028, ü and \x00'
    workspace.record_event("look", subject="a", detail=detail)
    assert [event.detail for event in workspace.events("look", subject="a")] == [detail]


def test_an_event_is_one_line_of_compact_json(workspace):
    workspace.record_event("look", subject="a", detail="two\nlines,  two  blanks")
    (line,) = (workspace.root / "ledger.jsonl").read_bytes().splitlines()
    document = json.loads(line)
    assert line == json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    assert document["detail"] == "two\nlines,  two  blanks"


def test_an_event_that_was_written_with_blanks_is_still_read(workspace):
    workspace.record_event("look", subject="a", by="new")
    ledger = workspace.root / "ledger.jsonl"
    old = json.dumps(json.loads(ledger.read_bytes()) | {"by": "old"}, indent=2).replace("\n", " ")
    ledger.write_bytes(old.encode() + b"\n" + ledger.read_bytes())
    assert [event.by for event in workspace.events("look", subject="a")] == ["old", "new"]


def test_the_ledger_is_only_appended_to(workspace):
    ledger = workspace.root / "ledger.jsonl"
    text = b""
    for number in range(5):
        workspace.record_event("look", subject=str(number))
        assert ledger.read_bytes().startswith(text)
        text = ledger.read_bytes()
    assert len(text.splitlines()) == 5


def test_a_torn_last_line_costs_no_other_event(workspace):
    workspace.record_event("look", subject="a", by="before")
    with (workspace.root / "ledger.jsonl").open("ab") as ledger:
        ledger.write(b'{"schema": 1, "event": "look", "subject": "a", "by": "t\xc3')
    workspace.record_event("look", subject="a", by="after")
    assert [event.by for event in workspace.events("look", subject="a")] == ["before", "after"]


@pytest.mark.parametrize(
    ("change", "said"),
    [({"schema": 99}, "schema 99"), ({"place": "here"}, "`place`"), ({"subject": 1}, "`subject`")],
)
def test_a_whole_line_that_cannot_be_understood_is_not_passed_over(workspace, change, said):
    workspace.record_event("look", subject="a")
    ledger = workspace.root / "ledger.jsonl"
    with ledger.open("ab") as file:
        file.write(json.dumps(json.loads(ledger.read_bytes()) | change).encode() + b"\n")
    with pytest.raises(ArtifactError) as caught:
        workspace.events("look", subject="a")
    assert said in caught.value.problem
    assert str(ledger) in caught.value.problem


def test_events_of_several_processes_are_all_there(workspace):
    def look(writer: int) -> None:
        for number in range(10):
            workspace.record_event("look", subject="a", by=f"{writer}-{number}")

    assert in_children(*(functools.partial(look, writer) for writer in range(4))) == [0] * 4
    by = {event.by for event in workspace.events("look", subject="a")}
    assert by == {f"{writer}-{number}" for writer in range(4) for number in range(10)}


def test_a_full_disk_refuses_an_event_and_keeps_those_before(workspace, monkeypatch):
    workspace.record_event("look", subject="a")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ArtifactError, match=r"ledger\.jsonl needs"):
            workspace.record_event("look", subject="a")
    assert workspace.events("look", subject="a")
