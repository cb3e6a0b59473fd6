"""`keepstone ledger restore | anchor`: what of a ledger lies elsewhere, in a bucket or a folder."""

from pathlib import Path

import click

from keepstone.cli.on_record import ledger_option
from keepstone.cli.output import emit, format_option, talk
from keepstone.cli.places import (
    anchor_options,
    anchors_named,
    anchors_of,
    place,
    place_options,
    read_key,
)
from keepstone.core.errors import LedgerCorrupt, LedgerError, UsageError


@click.command(
    epilog="""\b
Example:
  keepstone ledger restore --from s3://acme-ledger/prod --to .keepstone/ledger --key /safe/ledger.vkey

\b
Put `keys/` back from its own backup: a gateway goes on with the ledger only if it has the ledger's key."""
)
@click.option("--from", "source", metavar="PLACE", required=True, help="s3://BUCKET/PREFIX or a folder.")
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the ledger to be, new or empty.",
)
@click.option("--key", metavar="VKEY|FILE", required=True, help="The log's verifier key, or its file.")
@place_options
@format_option
def restore(source: str, target: Path, key: str, region: str, endpoint_url: str, output_format: str) -> int:
    """Make a ledger again out of its copy, and verify it."""
    from keepstone.ledger.note import Verifier
    from keepstone.ledger.outside.restore import restore as lay_down
    from keepstone.ledger.verdict import Verdict
    from keepstone.ledger.verify_all import verify_all

    verifier = read_key(key)
    done = lay_down(place(source, region, endpoint_url), target, Verifier.parse(verifier))
    whole = verify_all(target, verifier)
    row = {"verdict": whole.verdict.value, "reason": whole.reason, "records": whole.size, "files": done.files}
    emit(row, output_format)
    for each in (*done.problems, *done.notes):
        talk(f"note: {each}")
    return 0 if whole.verdict is Verdict.PASS else 1


@click.command(
    epilog="""\b
Example:
  keepstone ledger anchor
  keepstone ledger anchor --anchor /mnt/audit/keepstone --witness https://witness.example w1+5a1b...

\b
Exit status: 0 all were told, 1 the ledger does not continue what one was told before, 3 one was not told."""
)
@ledger_option
@anchor_options
@place_options
@format_option
def anchor(
    directory: Path,
    policy: Path,
    places: tuple[str, ...],
    witness: tuple[tuple[str, str], ...],
    region: str,
    endpoint_url: str,
    output_format: str,
) -> int:
    """Tell anchors outside, now, what the ledger says of itself; without names, those of the policy."""
    from keepstone.ledger.note import Verifier

    vkey = directory.parent / "keys" / "ledger.vkey"
    if not (directory / "checkpoint").exists():
        raise UsageError(f"no ledger in `{directory}`", hint="give its folder with `--ledger`")
    verifier = Verifier.parse(read_key(str(vkey)))
    named = anchors_named(witness, places, region, endpoint_url)
    rows: list[dict[str, str]] = []
    for each in named or anchors_of(policy):
        try:
            told = each.post(directory, verifier)
        except LedgerError as error:
            verdict = "FAIL" if isinstance(error, LedgerCorrupt) else "NOT_EVALUATED"
            rows.append({"anchor": each.where, "verdict": verdict, "what": error.message})
        else:
            rows.append({"anchor": each.where, "verdict": "PASS", "what": f"{told} new"})
    emit(rows, output_format)
    verdicts = {row["verdict"] for row in rows}
    return 1 if "FAIL" in verdicts else 3 if "NOT_EVALUATED" in verdicts else 0
