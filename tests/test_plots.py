"""Figures: what they say, that nothing is drawn beyond what Altair takes, and how they are kept."""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import vl_convert
from PIL import Image

from darkroom.intervals import Rate, wilson
from darkroom.plots import (
    Figure,
    Picture,
    class_balance,
    confusion_matrix,
    cost_trade_off,
    coverage_curve,
    embedding_map,
    learning_curves,
    measure_histogram,
    measure_ranges,
    picture_sheet,
    precision_recall_curves,
    rate_intervals,
    reliability_diagram,
    residuals,
    roc_curves,
    size_map,
    unknown_trade_off,
    value_histograms,
)
from darkroom.plots.drawing import drawing_beside
from darkroom.plots.live import _bundled, live_script

MOST_ROWS = 5_000  # Altair refuses more in one chart


def picture(height: int = 20, width: int = 24, channels: int = 3, caption: str = "") -> Picture:
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, channels), np.uint8)
    return Picture(pixels=pixels, name="a.png", caption=caption)


def tables(spec: object) -> list[list[dict]]:
    """Collect every table of values in a specification."""
    if isinstance(spec, list):
        return [table for part in spec for table in tables(part)]
    if not isinstance(spec, dict):
        return []
    found = [spec.get("values"), *spec.get("datasets", {}).values()]
    own = [
        table
        for table in found
        if isinstance(table, list | tuple) and isinstance(next(iter(table), 0), dict)
    ]
    below = [part for name, part in spec.items() if name != "datasets"]
    return own + [table for part in below for table in tables(part)]


def rows(figure: Figure) -> list[dict]:
    return [row for table in tables(figure.spec) for row in table]


def points(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 2))


def curve(count: int = 101) -> list[tuple[float, float]]:
    return [(place / (count - 1), (place / (count - 1)) ** 0.2) for place in range(count)]


def costs(height: float = 1.0) -> list[tuple[float, float | None, float | None, float]]:
    return [(at, (1 - at) ** 4, at**4, height * (at - 0.5) ** 2) for at in np.linspace(0, 1, 60)]


BINS = [(0.3, wilson(9, 30)), (0.7, wilson(60, 90)), (0.95, wilson(190, 200))]
COVERAGE = [(at, 1 - at**4, 0.9 + at / 10) for at in np.linspace(0, 0.9, 60)]
SIDES = np.random.default_rng(0).integers(50, 5_000, (20_000, 2))
FIGURES = {
    "class_balance": lambda: class_balance({"train": [3, 1], "test": [1, 0]}, ["cat", "dog"]),
    "confusion_matrix": lambda: confusion_matrix([[3, 1], [0, 4]], ["cat", "dog"]),
    "cost_trade_off": lambda: cost_trade_off({"dog": costs()}, {"dog": 0.5}),
    "coverage_curve": lambda: coverage_curve(COVERAGE, chosen=0.4),
    "embedding_map": lambda: embedding_map(points(9), [*"abcdefghi"], ["x", "y", "z"] * 3),
    "learning_curves": lambda: learning_curves([1, 0.5], [1.1, 0.7], what="loss", best=2),
    "measure_histogram": lambda: measure_histogram({"train": points(50)[:, 0]}, what="contrast"),
    "measure_ranges": lambda: measure_ranges({"cat": points(50)[:, 0]}, what="contrast"),
    "picture_sheet": lambda: picture_sheet({"cat": [picture()], "dog": []}, title="One"),
    "precision_recall_curves": lambda: precision_recall_curves({"cat": curve()}, {"cat": 0.9}),
    "rate_intervals": lambda: rate_intervals({"recall": {"cat": wilson(8, 9)}}, what="share"),
    "reliability_diagram": lambda: reliability_diagram(BINS, BINS),
    "residuals": lambda: residuals(points(50)[:, 0], points(50)[:, 1]),
    "roc_curves": lambda: roc_curves({"cat": curve(), "dog": curve()}, {"cat": 0.9, "dog": 0.8}),
    "size_map": lambda: size_map(SIDES[:, 0], SIDES[:, 1]),
    "unknown_trade_off": lambda: unknown_trade_off(curve(), chosen=(0.05, 0.6)),
    "value_histograms": lambda: value_histograms({"unit": points(99) @ np.ones((2, 3))}),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_a_picture_and_a_chart_at_once(name):
    figure = FIGURES[name]()
    bundle = figure._repr_mimebundle_()
    still = bundle.get("image/svg+xml") or bundle["image/png"]
    assert len(still) > 500
    assert bundle["application/vnd.vegalite.v6+json"] == figure.spec
    assert bundle["text/plain"] == figure.alternative != ""


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_can_be_saved_as_a_png(name):
    image = Image.open(io.BytesIO(FIGURES[name]().png(scale=1)))
    assert image.format == "PNG"
    assert min(image.size) > 30
    assert len(image.convert("RGB").getcolors(1 << 24) or []) > 2


def test_photographs_are_kept_as_png_and_charts_as_svg():
    assert "image/png" in FIGURES["picture_sheet"]()._repr_mimebundle_()
    assert "image/svg+xml" in FIGURES["class_balance"]()._repr_mimebundle_()


def test_class_balance_has_a_row_for_each_class_and_part():
    counts = {
        (row["class"], row["part"]): row["images"] for row in rows(FIGURES["class_balance"]())
    }
    assert counts == {
        ("cat", "train"): 3,
        ("dog", "train"): 1,
        ("cat", "test"): 1,
        ("dog", "test"): 0,
    }


def test_class_balance_of_many_classes_shows_both_ends_and_says_so():
    sizes = list(range(1_000))
    figure = class_balance({"train": sizes}, [f"class {size}" for size in sizes])
    drawn = {row["images"] for row in rows(figure)}
    assert drawn == {*range(30), *range(970, 1_000)}
    assert "30 largest" in figure.spec["title"]
    assert "1,000" in figure.spec["title"]


def test_class_balance_copes_with_a_part_without_images():
    assert class_balance({"train": [0, 0]}, ["cat", "dog"]).png(scale=1)


def test_images_of_one_size_are_said_to_be_of_one_size():
    figure = size_map(np.full(7, 32), np.full(7, 24))
    assert figure.alternative == "All 7 images: 32 x 24 px"


def test_too_many_sizes_are_gathered_and_none_is_lost():
    figure = size_map(SIDES[:, 0], SIDES[:, 1])
    images = [row["images"] for row in rows(figure) if "images" in row]
    assert sum(images) == len(SIDES)
    assert len(images) <= 1_600
    assert "gathered" in figure.spec["title"]


def test_few_sizes_are_drawn_one_by_one():
    figure = size_map(np.array([10, 10, 20]), np.array([10, 10, 30]))
    drawn = [
        (row["width"], row["height"], row["images"]) for row in rows(figure) if "images" in row
    ]
    assert drawn == [(10, 10, 2), (20, 30, 1)]


def test_a_histogram_gives_shares_of_each_group():
    figure = measure_histogram({"train": np.full(100, 0.2), "test": np.full(10, 0.8)}, what="light")
    for group in ("train", "test"):
        shares = [row["share"] for row in rows(figure) if row["group"] == group]
        assert sum(shares[:-1]) == pytest.approx(1)  # the last one repeats the end of a step


def test_a_histogram_leaves_out_what_is_not_known():
    figure = measure_histogram({"train": np.array([np.nan, 0.1, 0.2])}, what="sharpness")
    assert "2 images" in figure.alternative


def test_far_outliers_stand_in_the_last_step_and_are_counted():
    values = np.r_[np.linspace(0, 1, 1_000), 500, 900]
    figure = measure_histogram({"train": values}, what="sharpness")
    assert max(row["value"] for row in rows(figure)) < 2
    assert "beyond" in figure.spec["title"]
    control = measure_histogram({"train": np.linspace(0, 1, 1_000)}, what="sharpness")
    assert "beyond" not in control.spec["title"]


def test_a_histogram_of_nothing_and_of_one_value_are_drawn():
    assert measure_histogram({"train": np.zeros(0)}, what="light").png(scale=1)
    assert measure_histogram({"train": np.ones(3)}, what="light").png(scale=1)


def test_ranges_stand_in_the_order_of_their_medians():
    figure = measure_ranges(
        {"high": np.full(9, 3.0), "low": np.full(9, 1.0), "none": np.full(2, np.nan)}, what="light"
    )
    assert [row["group"] for row in tables(figure.spec)[0]] == ["low", "high"]


def test_ranges_of_many_classes_show_both_ends():
    figure = measure_ranges({str(n): np.full(3, float(n)) for n in range(300)}, what="light")
    drawn = {row["p50"] for row in rows(figure)}
    assert drawn == {*map(float, range(30)), *map(float, range(270, 300))}


def test_a_map_takes_a_sample_of_many_images_and_says_so():
    names = [str(number) for number in range(20_000)]
    figure = embedding_map(points(20_000), names, ["cat", "dog"] * 10_000)
    assert len(rows(figure)) <= MOST_ROWS
    assert "of 20,000 images" in figure.spec["title"]


def test_a_map_of_many_classes_colours_the_largest_and_says_so():
    groups = [f"class {number % 100 if number % 3 else 7}" for number in range(900)]
    figure = embedding_map(points(900), [str(n) for n in range(900)], groups)
    drawn = {row["drawn"] for row in rows(figure)}
    assert len(drawn) == 21
    assert {"class 7", "all others"} <= drawn
    assert "20 largest of 100" in figure.spec["title"]


def test_no_two_groups_of_a_map_look_alike():
    groups = [f"class {number}" for number in range(21)]
    figure = embedding_map(points(21), groups, groups)
    encoding = figure.spec["encoding"]
    looks = list(
        zip(encoding["color"]["scale"]["range"], encoding["shape"]["scale"]["range"], strict=True)
    )
    assert len(set(looks)) == len(looks) == 21


def test_groups_are_ordered_as_people_count():
    groups = [f"cluster {number}" for number in range(1, 13)]
    figure = embedding_map(points(12), groups, groups, by="cluster")
    assert figure.spec["encoding"]["color"]["scale"]["domain"] == groups


def test_a_sheet_holds_every_picture_and_heading():
    figure = picture_sheet({"cat": [picture()] * 30, "dog": [picture(caption="0.3")]})
    table = rows(figure)
    assert sum("url" in row for row in table) == 31
    assert [row["text"] for row in table if "text" in row] == ["cat", "dog", "0.3"]


def test_pictures_on_a_sheet_do_not_overlap_and_stay_inside():
    figure = picture_sheet({name: [picture()] * 5 for name in "abcdefgh"}, side=40)
    places = [(row["x"], row["y"]) for row in rows(figure) if "url" in row]
    assert len(set(places)) == 40
    for number, (x, y) in enumerate(places):
        assert 20 <= x <= figure.spec["width"] - 20
        assert 0 < y < figure.spec["height"]
        assert all(abs(x - u) >= 40 or abs(y - v) >= 30 for u, v in places[:number])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_small_image_is_enlarged_in_whole_pixels_and_not_distorted(channels):
    small = Picture(
        pixels=np.array([[[0] * channels, [255] * channels]], np.uint8), name="two pixels"
    )
    figure = picture_sheet({"": [small]}, side=56)
    url = next(row["url"] for row in rows(figure) if "url" in row)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))
    assert shown.shape[:2] == (56, 112)
    assert set(np.unique(shown)) == {0, 255}


def test_a_sheet_of_nothing_is_drawn():
    assert picture_sheet({}).png(scale=1)


def test_value_histograms_name_the_channels():
    figure = value_histograms({"unit": np.random.default_rng(0).random((50, 3))})
    assert {row["channel"] for row in rows(figure)} == {"red", "green", "blue"}
    grey = value_histograms({"unit": np.random.default_rng(0).random((50, 1))})
    assert {row["channel"] for row in rows(grey)} == {"grey"}


def test_curves_colour_the_smallest_areas_and_name_the_smallest():
    areas = {f"class {number}": 0.5 + number / 100 for number in range(9)}
    figure = roc_curves(dict.fromkeys(areas, curve()), areas)
    drawn = {row["class"]: row["drawn"] for row in rows(figure) if "class" in row}
    in_colour = [name for name, word in drawn.items() if word != "all others"]
    assert sorted(in_colour) == [f"class {number}" for number in range(5)]
    assert "the smallest is that of class 0" in figure.alternative


@pytest.mark.parametrize("classes", [2, 10, 60, 1_000])
@pytest.mark.parametrize("draw", [roc_curves, precision_recall_curves])
def test_curves_of_any_number_of_classes_stay_small(draw, classes):
    areas = {f"class {number}": number / classes for number in range(classes)}
    figure = draw(dict.fromkeys(areas, curve()), areas)
    assert len(rows(figure)) <= 1_500
    assert "class 0" in {row.get("class") for row in rows(figure)}  # the worst one is there


def test_a_thinned_curve_keeps_both_ends():
    names = [f"class {number}" for number in range(60)]
    figure = roc_curves(dict.fromkeys(names, curve()), dict.fromkeys(names, 0.9))
    ends = [row["x"] for row in rows(figure) if row.get("class") == "class 7"]
    assert (ends[0], ends[-1]) == (0, 1)
    assert len(ends) < 101


def test_a_class_whose_area_is_not_defined_has_no_curve():
    figure = roc_curves({"cat": curve(), "dog": curve()}, {"cat": 0.9, "dog": None})
    assert {row["class"] for row in rows(figure) if "class" in row} == {"cat"}


def test_the_most_diverse_costs_are_drawn_and_the_title_says_so():
    curves = {f"class {number}": costs(number) for number in range(9)}
    figure = cost_trade_off(curves, dict.fromkeys(curves, 0.5))
    assert {row["class"] for row in rows(figure)} == {f"class {number}" for number in range(3, 9)}
    assert "6 of 9" in figure.spec["title"]


def test_of_one_class_both_rates_of_errors_are_drawn_beside_its_costs():
    drawn = {row.get("what") for row in rows(FIGURES["cost_trade_off"]())}
    assert {"false positive rate", "false negative rate"} <= drawn


def test_a_rate_of_errors_that_is_not_defined_is_left_out():
    unknown = [(at, None, below, cost) for at, _, below, cost in costs()]
    figure = cost_trade_off({"dog": unknown}, {"dog": 0.5})
    assert "false positive rate" not in {row.get("what") for row in rows(figure)}


def test_the_threshold_in_force_is_marked_where_it_lies():
    figure = coverage_curve(COVERAGE, chosen=0.41)
    marked = [table for table in tables(figure.spec) if len(table) == 1]
    assert marked[0][0]["threshold"] == pytest.approx(0.41, abs=0.01)
    assert all(len(table) > 1 for table in tables(coverage_curve(COVERAGE).spec))


def test_rates_stand_in_their_order_with_the_lowest_first():
    rates = {"high": wilson(9, 10), "low": wilson(1, 10), "none": wilson(0, 0)}
    figure = rate_intervals({"recall": rates}, what="share")
    assert {row["name"] for row in rows(figure)} == {"high", "low"}
    assert "from 10.0 % (low) to 90.0 % (high)" in figure.alternative


def test_of_many_rates_the_lowest_are_drawn_and_the_title_says_so():
    rates = {f"class {number}": wilson(number, 100) for number in range(90)}
    figure = rate_intervals({"recall": rates, "precision": rates}, what="share")
    assert {row["name"] for row in rows(figure)} == {f"class {number}" for number in range(40)}
    assert "40 lowest of 90" in figure.spec["title"]


def test_bins_without_answers_are_no_points_of_a_reliability_diagram():
    nothing = Rate(value=None, low=None, high=None)
    figure = reliability_diagram([*BINS, (0.5, nothing)])
    assert len([row for row in rows(figure) if "confidence" in row]) == len(BINS)


def test_errors_of_many_images_are_drawn_from_a_sample_and_the_title_says_so():
    figure = residuals(points(5_000)[:, 0], points(5_000)[:, 1])
    assert len([row for row in rows(figure) if "predicted" in row]) == 600
    assert "600 of 5,000" in figure.spec["title"]


def test_errors_of_no_image_are_drawn():
    assert residuals(np.zeros(0), np.zeros(0)).png(scale=1)


def test_vega_is_bundled_once_and_its_script_carries_the_digest_that_lets_it_run(tmp_path):
    script, digest = live_script("figures.js", kept_in=tmp_path)
    (kept,) = tmp_path.iterdir()
    assert script.startswith(kept.read_text())
    assert "data-figure" in script.removeprefix(kept.read_text())
    assert digest == base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


@pytest.mark.parametrize("python", [sys.executable, "/nowhere/python", "/bin/false"])
def test_vega_is_bundled_by_another_process_or_where_there_can_be_none_by_this_one(
    python, monkeypatch
):
    works = python == sys.executable
    here = SimpleNamespace(javascript_bundle=lambda _: "bundled here")
    monkeypatch.setattr("darkroom.plots.live.vl_convert", here)
    monkeypatch.setattr("sys.executable", python)
    bundle = _bundled()
    assert (bundle == "bundled here") is not works
    if works:
        assert bundle == vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")


class Over(subprocess.Popen):
    """A process that is over before anybody speaks to it."""

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self.wait()


def test_another_process_draws_the_same_picture_and_this_one_where_there_is_none(monkeypatch):
    figures = [residuals(points(30)[:, 0], points(30)[:, 1]), residuals(np.zeros(0), np.zeros(0))]
    expected = [figure.svg_uri() for figure in figures]
    monkeypatch.setattr(Figure, "svg_uri", lambda _: "drawn here")
    with drawing_beside() as draw, ThreadPoolExecutor(2) as pool:
        assert list(pool.map(draw, figures * 3)) == expected * 3
    monkeypatch.setattr("subprocess.Popen", Over)  # before anything is asked of it
    for python in ("/nowhere/python", "/bin/false"):
        monkeypatch.setattr("sys.executable", python)
        with drawing_beside() as draw:
            assert [draw(figure) for figure in figures] == ["drawn here"] * 2


def test_what_is_kept_of_vega_is_used_and_made_again_where_it_is_damaged(tmp_path):
    live_script(kept_in=tmp_path / "first")
    (kept,) = (tmp_path / "first").iterdir()
    for folder, content in (("second", b"kept"), ("third", b"\xff")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / kept.name).write_bytes(content)
    assert live_script(kept_in=tmp_path / "second")[0] == "kept"
    assert live_script(kept_in=tmp_path / "third")[0] == kept.read_text()
