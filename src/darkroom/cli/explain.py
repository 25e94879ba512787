"""`darkroom explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from darkroom.cli.options import as_json
from darkroom.cli.printing import print_json, print_path, say

if TYPE_CHECKING:
    from darkroom.evaluation.explain.explanations import Explanations


@click.command()
@click.argument("subject", required=False, metavar="RUN|BUNDLE")
@click.argument("images", nargs=-1, metavar="[IMAGES]...")
@click.option(
    "--method",
    "methods",
    multiple=True,
    metavar="NAME",
    help="grad-cam, gradients, integrated-gradients, occlusion, lime, shap, kernels or "
    "feature-maps; may be given several times.",
)
@click.option("--class", "of_class", metavar="CLASS", help="What is explained, not the answer.")
@click.option("--budget", type=int, metavar="N", help="Answers for each image and method.")
@click.option("--seconds", type=float, metavar="S", help="Leave out what is not done by then.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all that is drawn.")
@click.option("--to", type=click.Path(path_type=Path), metavar="FOLDER", help="Where to write it.")
@as_json
def explain(
    subject: str | None,
    images: tuple[str, ...],
    methods: tuple[str, ...],
    of_class: str | None,
    to: Path | None,
    as_json: bool,  # noqa: FBT001
    **effort: Any,
) -> None:
    """Show what answers rest on, and test whether that can be believed.

    RUN|BUNDLE is a path or a name; without it, the newest run. IMAGES are files, folders or
    patterns; without them, those that tell most. A bundle answers and cannot be looked into:
    occlusion, lime and shap explain it. What takes long (lime, shap) has to be named.
    """
    import darkroom
    from darkroom.cli.newest import meant, newest
    from darkroom.narration import line, shown

    asked = darkroom.Effort(
        answers=effort["budget"], seconds=effort["seconds"], seed=effort["seed"]
    )
    explanations = darkroom.explain(
        meant(subject, "run", "bundle") if subject else newest("run", None),
        images or None,
        methods=methods or None,
        of_class=of_class,
        effort=asked,
        to=to,
    )
    if as_json:
        print_json(
            {
                "path": explanations.path,
                "page": explanations.page,
                "explanations": explanations.record,
            }
        )
        return
    for words in _told(explanations):
        say(words)
    say(line("page", shown(explanations.page)))
    print_path(explanations.path)


def _told(explanations: Explanations) -> list[str]:
    from darkroom.narration import line

    record = explanations.record
    told = [line("explain", explanations.summary())]
    told += [
        line("method", method.name, f"{method.trusted.hits} of {method.trusted.of} trustworthy")
        for method in record.methods
    ]
    if not record.can_redraw:
        told.append(line("note", "random weights were not tried: a bundle cannot be looked into"))
    elif record.learned is None:
        told.append(line("note", "not held against random weights: the labelled images are gone"))
    elif not record.learned.is_more:
        told.append(line("note", "the network answers no better than with random weights"))
    return told + [line("left out", words) for words in record.left_out]
