"""The documentation says what the code does: names, commands, options, command lines, links."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

import darkroom
from darkroom.cli import COMMANDS
from darkroom.cli import darkroom as group

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(path for path in DOCS.rglob("*.md") if "_build" not in path.parts),
        *DOCS.glob("tutorials/*.py"),
    ]
)
SHOWN = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?darkroom(?: |$)(.*)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]*)\)|\{download\}`[^`<]*<([^>]+)>`|\{literalinclude\} (\S+)")
NOT_OURS = ("http://", "https://", "mailto:")


def documented_names(page: str) -> list[str]:
    """Give the names that the page of the Python interface describes."""
    return re.findall(r"^\.\. (?:auto\w+|py:data):: darkroom\.(\w+)$", page, re.MULTILINE)


def documented_options(page: str) -> dict[str, set[str]]:
    """Give the options in each command's section of the page of commands."""
    sections = re.split(r"^## darkroom ", page, flags=re.MULTILINE)[1:]
    entry = re.compile(r"^`(--[\w-]+)", re.MULTILINE)
    return {section.split("\n")[0].strip(): set(entry.findall(section)) for section in sections}


def real_options() -> dict[str, set[str]]:
    """Give the options of each command, as click knows them."""
    return {
        name: {
            option
            for param in group.get_command(click.Context(group), name).params
            if isinstance(param, click.Option)
            for option in param.opts
        }
        for name in COMMANDS
    }


def shown_command_lines(page: str) -> list[str]:
    """Give what follows `darkroom` in blocks and spans of code, as one would type it."""
    fences = re.findall(r"^```\w*\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    indented = [line[4:] for line in page.splitlines() if line.startswith("    ")]
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", page)
    matches = map(SHOWN.match, [*"\n".join(fences).splitlines(), *indented, *spans])
    return [re.split(r" [|>] |\s+#", f"{match[1]} ")[0].strip() for match in matches if match]


def complaint(command_line: str) -> str | None:
    """Parse a command line as click would, and give what it complains of."""
    name, *rest = shlex.split(command_line) or ["--help"]
    if name in ("--help", "-h", "--version"):
        return None
    command = group.get_command(click.Context(group), name)
    if command is None:
        return f"no command {name}"
    if not rest:
        return None  # the command is only named
    try:
        command.make_context(name, rest)
    except click.exceptions.Exit:  # --help
        return None
    except click.ClickException as wrong:
        return wrong.format_message()
    return None


def headings(page: str) -> set[str]:
    """Give the anchors of a page's headings, as GitHub and MyST make them."""
    titles = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: str, path: Path) -> list[str]:
    """Give the relative links of a page that lead nowhere."""
    broken = []
    for match in LINK.finditer(page):
        link = next(filter(None, match.groups()), "")
        if link.startswith(NOT_OURS):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        if not target.exists() or (
            anchor and anchor not in headings(target.read_text() if file else page)
        ):
            broken.append(link)
    return broken


def read(name: str) -> str:
    return (ROOT / name).read_text()


def test_the_reference_names_exactly_the_public_names():
    assert sorted(documented_names(read("docs/reference/python.md"))) == sorted(darkroom.__all__)


def test_control_a_name_that_is_missing_is_seen():
    page = read("docs/reference/python.md").replace(".. autofunction:: darkroom.pack\n", "")
    assert sorted({*documented_names(page), "pack"}) == sorted(darkroom.__all__)
    assert sorted(documented_names(page)) != sorted(darkroom.__all__)


def test_control_a_name_too_many_is_seen():
    page = read("docs/reference/python.md") + "\n.. autofunction:: darkroom.resume\n"
    assert sorted(documented_names(page)) != sorted(darkroom.__all__)


def test_the_reference_describes_every_network_of_the_catalog():
    page = read("docs/reference/python.md")
    for network in darkroom.CATALOG.values():
        row = f"| `{network.name}` | {network.parameters:,} | {network.smallest_px} px |"
        assert row in page


def test_the_page_of_commands_has_every_command_and_option():
    assert documented_options(read("docs/reference/cli.md")) == real_options()


@pytest.mark.parametrize(
    "change",
    [
        ("`--despite NAME`", "`--in-spite-of NAME`"),
        ("## darkroom runs", "## darkroom walks"),
        ("`--clip FLOAT`", ""),
    ],
)
def test_control_an_option_that_is_missing_or_invented_is_seen(change):
    page = read("docs/reference/cli.md")
    assert change[0] in page
    assert documented_options(page.replace(*change)) != real_options()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_line_that_is_shown_parses(path):
    lines = shown_command_lines(path.read_text())
    assert {line: told for line in lines if (told := complaint(line))} == {}


def test_command_lines_are_found():
    assert len(shown_command_lines(read("README.md"))) >= 8
    assert len(shown_command_lines(read("docs/tutorials/from-photographs-to-a-bundle.md"))) >= 10


@pytest.mark.parametrize(
    "page",
    [
        "```console\n$ darkroom trian photos/\n```\n",
        "```\nKERAS_BACKEND=jax darkroom train photos/ --epochs 3\n```\n",
        "    darkroom predict photos/0.1.0\n",
        "as in `darkroom evaluate --part all` here",
        "    .venv/bin/darkroom check photos/ --jsno > findings.json\n",
    ],
)
def test_control_a_command_line_that_does_not_parse_is_seen(page):
    (line,) = shown_command_lines(page)
    assert complaint(line)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(path):
    assert broken_links(path.read_text(), path) == []


@pytest.mark.parametrize(
    "link",
    [
        "[x](docs/nowhere.md)",
        "![x](docs/images/nothing.png)",
        "[x](#no-such-heading)",
        "[x](docs/index.md#no-such-heading)",
        "{download}`x <gone.py>`",
    ],
)
def test_control_a_link_to_nowhere_is_seen(link):
    assert len(broken_links(f"# Title\n\n{link}\n", ROOT / "README.md")) == 1


def test_a_link_to_a_heading_is_found():
    assert broken_links("# A title: here\n\n[x](#a-title-here)\n", ROOT / "README.md") == []


def missing_targets(page: str) -> set[str]:
    """Give the targets that a page tells to make and the Makefile does not have."""
    shown = set(re.findall(r"(?:^    |`)make ([a-z-]+)", page, re.MULTILINE))
    return shown - set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_that_is_shown_exists(path):
    assert missing_targets(path.read_text()) == set()


def test_control_a_make_target_that_does_not_exist_is_seen():
    assert missing_targets("    make coffee\n") == {"coffee"}


def missing_files(page: str) -> set[str]:
    """Give the test and benchmark files that a page's commands name and that are not there."""
    return {name for name in re.findall(r"(?:tests|benchmarks)/[\w/]+\.py", page)
            if not (ROOT / name).is_file()}  # fmt: skip


def test_every_command_on_the_page_of_promises_names_a_file_that_is_there():
    page = read("docs/reference/promises.md")
    assert missing_files(page) == set()
    assert [f"P{number}" for number in range(1, 13)] == re.findall(
        r"^\| (P\d+) ", page, re.MULTILINE
    )


def test_control_a_promise_without_its_test_is_seen():
    assert missing_files("`pytest tests/nothing.py`") == {"tests/nothing.py"}
