"""The verb: of a run and of a bundle, images named or picked, a folder that holds everything."""

from __future__ import annotations

import re

import numpy as np
import pytest

import darkroom
from darkroom.errors import DataError
from darkroom.evaluation.explain.pictures import _DOUBT, heated
from tests.making import draw_folder, image_bytes


@pytest.fixture(scope="module")
def explanations(run, evaluation):
    return darkroom.explain(run, methods=["grad-cam", "occlusion", "kernels", "feature-maps"])


def test_the_folder_holds_pictures_maps_record_and_page(explanations, run):
    record, files = explanations.record, {path.name for path in explanations.path.iterdir()}
    assert explanations.path.parent == run.workspace.root / "explain"
    named = {image.picture for image in record.images} | {sheet.picture for sheet in record.sheets}
    named |= {picture for method in record.methods for picture in method.pictures}
    assert files == named | {"grad-cam.npy", "occlusion.npy", "explanations.json", "index.html"}
    assert record.subject == run.name


def test_the_maps_can_be_had_as_numbers(explanations):
    heat = explanations.heat("grad-cam")
    assert heat.shape == (len(explanations.record.images), 16, 16)
    assert heat.dtype == np.float32
    with pytest.raises(DataError) as refused:
        explanations.heat("gradcam")
    assert "grad-cam" in refused.value.hint


def test_every_two_methods_are_compared(explanations):
    (agreement,) = explanations.record.agreement
    assert (agreement.one, agreement.other) == ("grad-cam", "occlusion")
    assert -1 <= agreement.likeness.value <= 1


def test_the_page_loads_nothing_and_marks_what_is_not_trustworthy(explanations):
    page = explanations.page.read_text()
    assert "default-src 'none'" in page
    assert not re.search(r'(src|href)="(https?:|[^#d])', page)
    assert "<script" not in page
    maps = [trust for method in explanations.record.methods for trust in method.trust]
    doubted = sum(not trust.is_trustworthy for trust in maps)
    assert page.count('class="is-doubted"') == doubted
    assert page.count('class="is-fine"') == len(maps) - doubted
    assert page.count("<img") == page.count(' alt="')


def test_a_file_that_is_no_image_is_named_and_the_others_are_explained(run, tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(image_bytes("ball", 5))
    bad.write_bytes(good.read_bytes()[:40])
    made = darkroom.explain(run, [bad, good], methods=["gradients"], to=tmp_path / "shown")
    assert [each.image for each in made.record.images] == [str(good)]
    assert [str(bad) in words for words in made.record.left_out] == [True]
    with pytest.raises(DataError, match=r"bad\.png"):  # the control: of nothing but that
        darkroom.explain(run, [bad], methods=["gradients"], to=tmp_path / "none")


def test_it_shows_itself_in_a_notebook(explanations):
    shown = explanations._repr_html_()
    assert explanations.path.name in shown
    assert "data:image/png" in shown
    assert explanations.record.subject in repr(explanations)


def test_a_doubted_picture_has_a_red_frame_and_a_trusted_one_has_none():
    from PIL import Image

    plain, heat = Image.new("RGB", (256, 256), (90, 90, 90)), np.zeros((16, 16), np.float32)
    heat[:4] = 1
    marked, clean = (
        np.asarray(heated(plain, heat, is_trustworthy=trusted)) for trusted in (False, True)
    )
    assert marked[0, 0].tolist() == marked[128, 2].tolist() == list(_DOUBT)
    assert not (clean == _DOUBT).all(axis=2).any()
    assert clean[10, 128, 0] > clean[200, 128, 0]  # orange where it is hot


def test_a_bundle_explains_its_golden_images(bundle, monkeypatch, tmp_path):
    made = darkroom.explain(bundle, to=tmp_path / "out")
    assert len(made.record.images) == len(bundle.record.golden)
    assert [method.name for method in made.record.methods] == ["occlusion"]
    assert not made.record.can_redraw
    assert "cannot be drawn anew" in made.page.read_text()


def test_another_class_is_explained_if_it_is_asked_for(run, tmp_path):
    (tmp_path / "new.png").write_bytes(image_bytes("ball", 5))
    made = darkroom.explain(
        run, [tmp_path / "new.png"], methods=["grad-cam"], of_class="box", to=tmp_path / "out"
    )
    (image,) = made.record.images
    assert image.explained == "box"
    assert image.labels is None


def test_names_that_hurt_a_page_are_text_in_it(run, tmp_path):
    hostile = tmp_path / "<img src=x onerror=alert(1)>.png"
    hostile.write_bytes(image_bytes("ball", 6))
    page = darkroom.explain(
        run, [hostile], methods=["grad-cam"], to=tmp_path / "out"
    ).page.read_text()
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_a_run_without_an_evaluation_explains_images_of_its_validation_part(workspace, tmp_path):
    dataset = darkroom.split_dataset(
        darkroom.open_dataset(draw_folder(tmp_path / "shapes", per_class=12))
    )
    recipe = darkroom.Recipe(model="mlp", width=0.1, image_size=8, epochs=1, batch_size=16)
    made = darkroom.explain(darkroom.train(dataset, recipe), methods=["occlusion"])
    assert {image.image for image in made.record.images} <= set(dataset.part("valid")["image"])
    assert made.path.name.endswith("-1")
