"""`keepstone ledger restore`: what of a ledger lies elsewhere, in a bucket or a folder."""

from pathlib import Path

import click

from keepstone.cli.output import emit, format_option, talk
from keepstone.cli.places import place, place_options, read_key


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
