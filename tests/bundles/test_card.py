"""The card shows what a user typed as it is; nothing of it becomes markup."""

from __future__ import annotations

import msgspec

from darkroom.bundles.card import escaped, write_card
from darkroom.decision import Decision
from darkroom.findings import Finding
from darkroom.models.weights import Pretrained
from darkroom.problem import ErrorCost, Problem, Questions


def test_markup_and_newlines_are_text():
    assert escaped("<b>x</b>") == "\\<b\\>x\\</b\\>"
    assert escaped("a\n# b\r\n\u2028c") == "a \\# b c"
    assert escaped(r"\`*_[]|&") == r"\\\`\*\_\[\]\|\&"
    assert escaped("Schuhe, Größe 42 (neu)") == "Schuhe, Größe 42 (neu)"  # the control


def test_nothing_that_was_typed_becomes_markup(bundle, run):
    bad = "<b>x</b>\n# a heading\n`code` *star* [link](javascript:alert(1)) | cell"
    finding = Finding(name="odd", severity="note", what=bad, next_step="x")
    record = msgspec.structs.replace(
        bundle.record,
        classes=("<b>x</b>", "two\nlines", "stripe"),
        problem=Problem(purpose=bad, questions=Questions(source=bad)),
    )
    told = msgspec.structs.replace(run.record, findings=(finding,))
    card = write_card(record, told, bad, {"train": 1})
    assert "<b>" not in card
    assert "\n# a heading" not in card
    assert "[link]" not in card
    assert "two lines" in card
    assert card.count("\n# ") == 0
    assert sum(line.startswith("# ") for line in card.splitlines()) == 1


def test_wishes_that_decide_nothing_are_shown(bundle, run):
    problem = Problem(use="bulk", latency_ms=50, images_per_s=20.5)
    record = msgspec.structs.replace(bundle.record, problem=problem)
    card = write_card(record, run.record, "shapes", {"train": 1})
    for words in ("use: bulk", "50 ms", "20.5 images/s"):
        assert words in card
    record = msgspec.structs.replace(bundle.record, problem=Problem())
    assert "ms for one image" not in write_card(record, run.record, "shapes", {"train": 1})


def test_the_card_says_what_the_trunk_has_seen_before_and_that_its_biases_come_along(bundle, run):
    pretrained = Pretrained(
        trunk="mobilenet_v2", sha256="0" * 64, source="x", dataset="ImageNet", images=9, classes=3
    )
    told = msgspec.structs.replace(run.record, pretrained=pretrained)
    card = write_card(bundle.record, told, "shapes", {"train": 1})
    assert "pretrained on ImageNet, 9 photographs of 3 classes; the biases of that set come" in card
    assert "biases" not in write_card(bundle.record, run.record, "shapes", {"train": 1})


def test_the_card_says_how_probabilities_become_an_answer(bundle, run):
    decision = Decision(
        task="single-label", temperature=1.5, thresholds=(0.1, 0.2, 0.2), abstain_below=0.4
    )
    problem = Problem(costs=(ErrorCost(true="<i>", predicted="box", cost=5),))
    record = msgspec.structs.replace(bundle.record, decision=decision, problem=problem)
    card = write_card(record, run.record, "shapes", {"train": 1})
    for words in ("temperature of 1.5", "ball 0.1", "below 0.4", r"\<i\> taken for box was held"):
        assert words in card
    plain = msgspec.structs.replace(bundle.record, decision=Decision(task="single-label"))
    card = write_card(plain, run.record, "shapes", {"train": 1})
    assert "temperature" not in card
    assert "thresholds" not in card
