"""The whole chain, from a folder to an answer."""

from __future__ import annotations

import darkroom


def test_the_chain_ends_in_a_bundle_that_answers_as_the_run_did(run, evaluation, bundle, dataset):
    assert evaluation.metrics.images == dataset.counts["test"]
    assert bundle.record.proof.same_answers == bundle.record.proof.images
    rows = dataset.part("test").head(5)
    for name, data in zip(rows["image"], dataset.read(rows), strict=True):
        answer = bundle.predict(data)
        stored = evaluation.predictions.filter(darkroom_image(name))
        assert list(answer.labels) == stored["predicted"][0].to_list()


def darkroom_image(name):
    import polars as pl

    return pl.col("image") == name


def test_public_names_resolve():
    for name in darkroom.__all__:
        assert getattr(darkroom, name) is not None
