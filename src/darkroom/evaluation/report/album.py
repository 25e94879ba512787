"""The pictures of a report: which images are shown, each picture once, within a budget of bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.thumbnails import thumbnails
from darkroom.evaluation.looks import LOOKS, pick
from darkroom.wording import counted, percent

BUDGET_BYTES = 1_500_000  # of all pictures, as they stand in the page
_LONGEST_PX = 144
_PIXEL_ART_PX = 64  # images up to here are kept as PNG, to the pixel
_HEAD_BYTES = 120  # of any picture
_OF_A_LOOK = 12  # pictures of each look, in the page before any script runs
_OF_A_CLASS = 12  # of each look at a class
_OF_A_CELL = 12
_FIRST = 3  # of every cell and class, before any of them has more
NUMBERS = "largest errors"  # the one look at predicted numbers

Groups = Mapping[str, tuple[str, ...]]  # images under each heading, the most telling first


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One image and what is said of it."""

    image: str
    caption: str  # `cat taken for dog`
    note: str  # how sure, and whether training has seen it
    state: str  # right, wrong, or unanswered


class Album(msgspec.Struct, frozen=True, kw_only=True):
    """Images in groups; a picture stands for an image wherever it is shown."""

    shown: Mapping[str, Shown]  # by image, in the order in which pictures were wanted
    pictures: Mapping[str, str]  # data URIs by image
    looks: Groups  # the looks at all images
    classes: Mapping[str, Groups]  # the looks at each class
    cells: Groups  # of a confusion matrix, by `true,taken`

    def numbers(self) -> dict[str, int]:
        """Number the images, so that groups can refer to them in few bytes."""
        return {image: number for number, image in enumerate(self.shown)}


def make_album(
    dataset: Dataset,
    predictions: pl.DataFrame,
    cells: Mapping[tuple[str, str], str],
    *,
    budget_bytes: int = BUDGET_BYTES,
) -> Album:
    """Choose the images of a report and draw them small.

    Every look has its pictures first, then every cell, then every class; what is left of the
    budget goes round again.

    Args:
        dataset: Where the images are from.
        predictions: Of an evaluation.
        cells: Keys of a confusion matrix by true class and what it was taken for, those first
            whose pictures matter most.
        budget_bytes: Of all pictures.

    Raises:
        DataError: An image changed since the dataset was opened.
    """
    if "error" in predictions.columns:
        looks: Groups = {NUMBERS: _largest_errors(predictions)}
        by_class: Mapping[str, Groups] = {}
        of_cells: Groups = {}
    else:
        looks = {look: tuple(pick(predictions, look, count=_OF_A_LOOK)["image"]) for look in LOOKS}
        by_class = _looks_by_class(predictions)
        of_cells = _images_of_cells(predictions, cells, dataset.classes)
    wanted = list(dict.fromkeys(_in_turn(looks, by_class, of_cells)))
    # The looks stand in the page whatever they take.
    least = len({image for images in looks.values() for image in images})
    pictures = _drawn(dataset, wanted, least, budget_bytes)
    rows = predictions.filter(pl.col("image").is_in(list(pictures)))
    told = {row["image"]: _tell(row) for row in rows.iter_rows(named=True)}

    def kept(groups: Groups) -> dict[str, tuple[str, ...]]:
        few = {name: tuple(i for i in images if i in pictures) for name, images in groups.items()}
        return {name: images for name, images in few.items() if images}

    return Album(
        shown={image: told[image] for image in wanted if image in told},
        pictures=pictures,
        looks={look: tuple(i for i in images if i in pictures) for look, images in looks.items()},
        classes={name: kept(groups) for name, groups in by_class.items() if kept(groups)},
        cells=kept(of_cells),
    )


def _in_turn(looks: Groups, classes: Mapping[str, Groups], cells: Groups) -> Iterator[str]:
    """Give images in the order in which their pictures are wanted."""
    for images in looks.values():
        yield from images
    of_classes = [images for groups in classes.values() for images in groups.values()]
    for part in (slice(None, _FIRST), slice(_FIRST, None)):
        for images in (*cells.values(), *of_classes):
            yield from images[part]


def _largest_errors(predictions: pl.DataFrame) -> tuple[str, ...]:
    known = predictions.filter(pl.col("error").is_finite())
    worst = known.sort(pl.col("error").abs(), descending=True, maintain_order=True)
    return tuple(worst["image"].head(2 * _OF_A_LOOK))


def _looks_by_class(predictions: pl.DataFrame) -> dict[str, dict[str, tuple[str, ...]]]:
    classes: dict[str, dict[str, tuple[str, ...]]] = {}
    for look in LOOKS:
        # One ranking of all images, from which each class takes its first: fast for many classes.
        ranked = pick(predictions, look, count=len(predictions)).select("image", "labels")
        exploded = ranked.explode("labels").drop_nulls("labels")
        firsts = exploded.group_by("labels", maintain_order=True).agg(
            pl.col("image").head(_OF_A_CLASS)
        )
        for name, images in firsts.iter_rows():
            classes.setdefault(name, {})[look] = tuple(images)
    return dict(sorted(classes.items()))


def _images_of_cells(
    predictions: pl.DataFrame, cells: Mapping[tuple[str, str], str], classes: Sequence[str]
) -> Groups:
    """Give the images of each cell: of errors the surest first, of right ones the least sure."""
    if not cells:
        return {}
    # Where it gave no answer the matrix counts the most probable class.
    likeliest = pl.Series(classes, dtype=pl.String)[
        predictions["probabilities"].list.arg_max().to_list()
    ]
    rows = predictions.select(
        "image",
        "correct",
        "confidence",
        pl.col("labels").list.first().alias("true"),
        pl.col("predicted").list.first().fill_null(likeliest).alias("taken"),
    ).sort("image")
    by_confidence = rows.sort(
        pl.when("correct").then(pl.col("confidence")).otherwise(-pl.col("confidence")),
        maintain_order=True,
    )
    firsts = by_confidence.group_by("true", "taken").agg(pl.col("image").head(_OF_A_CELL))
    found = {(true, taken): tuple(images) for true, taken, images in firsts.iter_rows()}
    return {key: found[pair] for pair, key in cells.items() if pair in found}


def _drawn(
    dataset: Dataset, wanted: Sequence[str], least: int, budget_bytes: int
) -> dict[str, str]:
    """Draw as many pictures as the budget allows, and the first ones in any case."""
    most = max(int(budget_bytes / _expected_bytes(dataset, wanted)), least)
    # All at once: to open a large archive again takes longer than all of its pictures.
    pictures = thumbnails(dataset, wanted[:most], longest_px=_LONGEST_PX)
    kept: dict[str, str] = {}
    spent = 0
    for image in wanted[:most]:
        spent += len(pictures[image])
        if spent > budget_bytes and len(kept) >= least:
            break
        kept[image] = pictures[image]
    return kept


def _expected_bytes(dataset: Dataset, wanted: Sequence[str]) -> float:
    """Guess what a picture takes, a little less rather than more.

    Source: own; CIFAR-10 as PNG takes 1.0 byte of base64 per value, photographs of flowers as
    JPEG 0.33 per pixel.
    """
    rows = dataset.index.filter(pl.col("image").is_in(list(wanted)))
    sides = rows.select(pl.col("width").cast(pl.Float64), pl.col("height").cast(pl.Float64))
    longest = pl.max_horizontal("width", "height")
    scale = pl.min_horizontal(pl.lit(1.0), _LONGEST_PX / longest)
    area = pl.col("width") * pl.col("height")
    taken = pl.when(longest <= _PIXEL_ART_PX).then(area * 3 * 0.9).otherwise(area * scale**2 * 0.3)
    return float(sides.select(taken.mean()).item() or 1.0) + _HEAD_BYTES


def _tell(row: Mapping[str, object]) -> Shown:
    """Say of an image what it is, what it was taken for, and how surely."""
    image, seen = str(row["image"]), " · seen in training" if row.get("leaked") else ""
    if "error" in row:
        return Shown(
            image=image,
            caption=f"{row['value']:.4g} instead of {row['target']:.4g}",
            note=f"off by {row['error']:+.3g}{seen}",
            state="wrong",
        )
    labels, predicted = (_named(row[column]) for column in ("labels", "predicted"))
    sure = f"{percent(float(str(row['confidence'])))} sure{seen}"
    if row["correct"]:
        return Shown(image=image, caption=labels, note=f"right, {sure}", state="right")
    if row.get("abstained"):
        return Shown(image=image, caption=labels, note=f"no answer, {sure}", state="unanswered")
    return Shown(image=image, caption=f"{labels} taken for {predicted}", note=sure, state="wrong")


def _named(names: object) -> str:
    return ", ".join(map(str, names)) if isinstance(names, list) and names else "nothing"


def tell_few(shown: int, images: int) -> str:
    """Say how many of a group's images have a picture."""
    if shown >= images:
        return counted(images, "image", "images")
    return f"{shown:,} of {counted(images, 'image', 'images')}"
