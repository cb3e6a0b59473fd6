"""`keepstone demo`: a real gateway, driven by the real boto3 through ten scenes, with a page to look at."""

import shutil
import sys
from pathlib import Path

import click

from keepstone.cli.output import format_option
from keepstone.core.errors import UsageError

MARKER = ".made-by-keepstone-demo"


@click.command(
    epilog="""\b
Examples:
  keepstone demo
  keepstone demo --out /tmp/keepstone --format json
"""
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("keepstone-demo"),
    show_default=True,
    help="Folder for the demo's policy, its ledger and the page; made anew each time.",
)
@format_option
def demo(out: Path, output_format: str) -> int:
    """Start a gateway with a development model and see what it does with ten calls, and why.

    Nothing leaves this machine. Exit code 0 means that every scene ended as it should, 1 that one did not.
    """
    from keepstone.cli import demo_gateway, demo_report, demo_scenes

    _prepare(out)
    with demo_gateway.running(out) as gateway:
        results = []
        for scene in demo_scenes.SCENES:
            click.echo(f"  {scene.title} ...", err=True)
            results.append(demo_scenes.play(scene, gateway))
    click.echo(f"  {demo_scenes.TAMPERED} ...", err=True)
    results.append(demo_scenes.tamper(out))
    page = demo_report.write_page(out / "summary.html", results, gateway.policy_hash)
    demo_report.show(results, output_format)
    click.echo(f"\nopen {page} to see it all; the ledger lies in {out / 'home' / 'ledger'}", err=True)
    sys.stdout.flush()
    return 0 if all(result.as_expected for result in results) else 1


def _prepare(out: Path) -> None:
    """Empty the folder, but only if an earlier demo made it."""
    try:
        _empty(out)
    except OSError as error:
        reason = (error.strerror or "failed").lower()
        hint = "choose another with `--out`"
        raise UsageError(f"`{out}` cannot be made: {reason}", hint=hint) from error


def _empty(out: Path) -> None:
    if out.exists():
        if not (out / MARKER).exists() and any(out.iterdir()):
            hint = "choose another with `--out`"
            raise UsageError(f"`{out}` exists and is not an earlier demo's folder", hint=hint)
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / MARKER).touch()
