"""The command `darkroom`: parse, call the public function, print.

A command's module is loaded when it is typed; its one-line help is read from the source of the
public function, so that `darkroom --help` imports nothing of the house.
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import click

from darkroom.errors import (
    DarkroomError,
    GateError,
    ServiceError,
    is_out_of_memory,
    missing_extra,
    nearest,
)
from darkroom.version import __version__

# command -> (module below darkroom.cli, module below darkroom with the public function, function)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "quickstart": ("quickstart", "first_minute", "quickstart"),
    "init": ("init", "problem", "init"),
    "check": ("check", "data.checks", "check_dataset"),
    "explore": ("explore", "data.explore", "explore"),
    "train": ("train", "training.train", "train"),
    "resume": ("resume", "training.resume", "resume"),
    "find-lr": ("find_lr", "training.find_rate", "find_learning_rate"),
    "curriculum": ("curriculum", "training.trial", "try_curriculum"),
    "study": ("study", "training.study", "study"),
    "tune": ("tune", "training.tune", "tune"),
    "evaluate": ("evaluate", "evaluation.evaluate", "evaluate"),
    "failures": ("failures", "evaluation.failures", "export_failures"),
    "compare": ("compare", "evaluation.compare", "compare"),
    "explain": ("explain", "explaining", "explain"),
    "pack": ("pack", "bundles.pack", "pack"),
    "predict": ("predict", "bundles.predictor", "predict"),
    "runs": ("listing", "training.record", "list_runs"),
    "bundles": ("listing", "bundles.bundle", "list_bundles"),
    "lineage": ("listing", "workspace", "lineage"),
}

EXIT_FAILED, EXIT_USER, EXIT_BUG, EXIT_INTERRUPTED = 1, 2, 70, 130
_TOO_LITTLE_MEMORY = ServiceError(
    "there is not enough memory on this machine for this command",
    hint="close other programs, or take less: smaller images, fewer of them, smaller batches",
)


class _Lazy(click.Group):
    """A group that knows its commands' names and loads their modules when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"darkroom.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no command `{args[0]}`; did you mean {nearest(args[0], COMMANDS)}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, first_line(name)) for name in COMMANDS])


def first_line(command: str) -> str:
    """Read the first line of the docstring of a command's public function, without importing it."""
    _, module, function = COMMANDS[command]
    path = Path(__file__).parent.parent.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    source = path.read_text(encoding="utf-8")
    after = source[source.index(f"def {function}(") :]
    return after.partition('"""')[2].partition("\n")[0].rstrip('"')


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", prog_name="darkroom")
@click.pass_context
def darkroom(ctx: click.Context) -> None:
    """From a folder of labelled images to a classifier you can trust, run and watch."""
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def main(arguments: list[str] | None = None) -> None:
    """Run one command, and turn what went wrong into words and an exit code."""
    try:
        code = darkroom.main(arguments, prog_name="darkroom", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except DarkroomError as wrong:
        _exit_with(wrong)
    except click.ClickException as misused:
        misused.show()
        sys.exit(misused.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader went away (`| head`): nothing is wrong, and nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - the outermost boundary
        if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("darkroom"):
            _exit_with(missing_extra(error, "this command"))
        if is_out_of_memory(error):
            _exit_with(_TOO_LITTLE_MEMORY)
        traceback.print_exc()
        click.echo("this is a bug of darkroom; please report it with the lines above", err=True)
        sys.exit(EXIT_BUG)


def _exit_with(wrong: DarkroomError) -> NoReturn:
    kind = click.style(f"{type(wrong).__name__}:", fg="red", bold=True)
    click.echo(f"{kind} {wrong}", err=True, color=_wants_color())
    sys.exit(EXIT_FAILED if isinstance(wrong, GateError) else EXIT_USER)


def _wants_color() -> bool | None:
    return False if os.environ.get("NO_COLOR") else None
