"""The options that name the columns of a table."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from darkroom.cli.options import as_settings, columns
from darkroom.data.sources import Columns
from darkroom.project import read_project

ROLES = Columns.__struct_fields__


@click.command()
@columns
def command(**named: str | None) -> None:
    click.echo("\n".join(as_settings(**named)))


def typed(*words: str) -> list[str]:
    result = CliRunner().invoke(command, words)
    assert result.exit_code == 0
    return result.output.split()


def test_there_is_an_option_for_each_column_in_their_order():
    assert [option.name for option in command.params] == list(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_a_column_that_is_typed_becomes_a_setting_that_the_project_reads(role, tmp_path):
    (setting,) = typed(f"--{role}", "species")
    assert setting == f"data.{role}=species"
    project = read_project("t.csv", [setting], folder=tmp_path)
    assert getattr(project.data, role) == "species"


def test_what_is_not_typed_is_no_setting():
    assert typed() == []
