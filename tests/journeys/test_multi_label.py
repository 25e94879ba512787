"""Several labels per image, from an index made by hand to a bundle: no source brings them yet."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl
import pytest

import darkroom
from darkroom.data.kept import store_dataset
from tests.making import draw_folder, image_bytes


@pytest.fixture
def several(workspace, tmp_path):
    """A dataset in which every image bears its shape, and every second one also `even`."""
    root = draw_folder(tmp_path / "several", per_class=24)
    single = darkroom.split_dataset(darkroom.open_dataset(root, workspace=workspace))
    labels = [
        [*row, 3] if int(name[-7:-4]) % 2 == 0 else list(row)
        for name, row in single.index.select("image", "labels").iter_rows()
    ]
    index = single.index.with_columns(pl.Series("labels", labels, dtype=pl.List(pl.UInt16)))
    record = msgspec.structs.replace(
        single.record, task="multi-label", classes=(*single.classes, "even"), name="several"
    )
    return store_dataset(
        workspace, record, index, single.skipped, made_by="split", parents=[single.as_parent()]
    )


def test_the_chain_holds_for_several_labels(several):
    recipe = darkroom.Recipe(model="cnn_simple", width=0.2, image_size=12, epochs=2)
    run = darkroom.train(several, recipe)
    evaluation = darkroom.evaluate(run)
    bundle = darkroom.pack(run, evaluation)
    assert bundle.record.task == "multi-label"
    answer = bundle.predict(image_bytes())
    assert set(answer.probabilities) == {*several.classes}
    assert set(answer.labels) == {
        name for name, share in answer.probabilities.items() if share >= 0.5
    }
    assert evaluation.metrics.confusion == ()
    assert evaluation.metrics.accuracy.of == several.counts["test"]
    stored = evaluation.predictions["probabilities"].to_list()
    assert np.shape(stored) == (several.counts["test"], 4)
    assert evaluation.report.exists()


def test_targets_hold_a_one_for_every_label(several):
    hot = several.targets("train")
    assert hot.sum(axis=1).max() == 2
    assert set(hot[:, :3].sum(axis=1)) == {1.0}
