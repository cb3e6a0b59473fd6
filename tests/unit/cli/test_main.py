"""Every command: help with an example, and errors that say what is wrong and what to do, in one form."""

import click
import pytest

from keepstone.cli.main import cli, main
from keepstone.policy.template import default_document


def commands(command, path=()):
    """Yield every command and group with its words."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))


EVERY = dict(commands(cli))


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_help_has_an_example_and_is_not_wide(path, capsys):
    assert main([*path, "--help"]) == 0
    out = capsys.readouterr().out
    example = " ".join(("keepstone", *path))
    assert out.count(example) >= 2, "once in `Usage`, once in an example"
    assert max(map(len, out.splitlines())) <= 115


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_a_wrong_option_is_told_with_a_way_on(path, capsys):
    assert main([*path, "--no-such"]) == 2
    out, err = capsys.readouterr()
    words = " ".join(("keepstone", *path))
    assert out == ""
    assert (
        err
        == f"error: no such option '--no-such'\nhint: `{words} --help` shows what it takes, with examples\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "error: no such command 'nothing'"),
        (["keys", "create", "--name", "a"], "error: missing option '--role'"),
        (["ledger", "prune", "--days", "0"], "error: invalid value for '--days': 0 is not in the range x>=1"),
        (["ledger", "erase", "--subject", "", "--reason", "x"], "error: `--subject` has 0 characters"),
        (
            ["ledger", "verify", "--key", "/proc/x"],
            "error: the key file `/proc/x` cannot be read: no such file",
        ),
        (
            ["ledger", "verify", "--since", "keepstone.yaml"],
            "error: `keepstone.yaml` is no signed checkpoint: the note is malformed",
        ),
        (["demo", "--out", "/proc/x"], "error: `/proc/x` cannot be made: no such file"),
        (["init", "--yes", "/proc/x/y"], "error: `/proc/x/y` cannot be written: no such file"),
        (
            ["up", "--home", "/proc/x", "--policy", "keepstone.yaml"],
            "error: `/proc/x` cannot be made: no such",
        ),
        (
            ["up", "--host", "name.invalid", "--policy", "keepstone.yaml"],
            "error: cannot listen on `name.invalid",
        ),
    ],
)
def test_what_is_wrong_comes_first_and_a_hint_after_it(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keepstone.yaml").write_text(default_document())
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(said)
    assert "\nhint: " in err
