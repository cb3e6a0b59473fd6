"""`keepstone`: a list of commands, each imported only when called, and the one door for errors."""

import gc
import importlib
import os
import sys

import click

from keepstone import __version__
from keepstone.cli.output import fail, safe
from keepstone.core.errors import KeepstoneError

COMMANDS = {
    "init": ("keepstone.cli.init:init", "Write a first policy from a few answers."),
    "policy": ("keepstone.cli.policy:policy", "Check, explain and describe the policy document."),
    "keys": ("keepstone.cli.keys:keys", "Create, list and revoke API keys."),
    "up": ("keepstone.cli.up:up", "Start the gateway."),
    "top": ("keepstone.cli.top:top", "Watch gateways at work, live."),
    "ledger": ("keepstone.cli.ledger:ledger", "Show, verify and prove the record."),
    "deploy": (
        "keepstone.cli.deploy:deploy",
        "Provision the environment with Terraform, and watch it for drift.",
    ),
    "demo": ("keepstone.cli.demo:demo", "See the gateway at work in a few scenes."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and summary, and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    epilog="Example: `keepstone init` writes a policy, `keepstone up` starts the gateway with it.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="keepstone")
def cli() -> None:
    """Keepstone governs, records and proves every generative AI call on Amazon Bedrock."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; no error leaves as a traceback."""
    gc.set_threshold(100_000, 20, 20)  # imports leave no garbage: looking for it is a twelfth of a start
    try:
        result = cli.main(arguments, prog_name="keepstone", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("error: interrupted", err=True)
        return 130
    except click.ClickException as error:
        return _misused(error)
    except KeepstoneError as error:
        return fail(error)
    except BrokenPipeError:
        # The reader of our output left; point stdout away so that the interpreter's last flush is silent.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        # The outermost door: what reaches it is a fault of ours, and a traceback may hold content.
        if os.environ.get("KEEPSTONE_DEBUG"):
            raise
        click.echo(f"error: internal fault `{type(error).__name__}`", err=True)
        click.echo("hint: KEEPSTONE_DEBUG=1 shows where; please report it", err=True)
        return 3
    return result if isinstance(result, int) else 0


def _misused(error: click.ClickException) -> int:
    """Print what click refuses in the form of all our errors, and where the command says what it takes."""
    said = error.format_message().rstrip(".")
    click.echo(safe(f"error: {said[:1].lower()}{said[1:]}"), err=True)
    context = getattr(error, "ctx", None)
    if context is not None:
        click.echo(f"hint: `{context.command_path} --help` shows what it takes, with examples", err=True)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
