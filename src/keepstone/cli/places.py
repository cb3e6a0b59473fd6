"""What commands about ledgers are told: places outside, and the key to verify with."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from keepstone.core.errors import UsageError
from keepstone.core.settings import from_environment

if TYPE_CHECKING:
    from keepstone.ledger.outside.anchor import Anchor
    from keepstone.ledger.outside.objects import Objects

_Command = TypeVar("_Command", bound=Callable[..., Any])


def place_options(command: _Command) -> _Command:
    """Add how a bucket is reached."""
    endpoint = click.option("--endpoint-url", default="", help="Another endpoint of S3, as a VPC endpoint.")
    return click.option("--region", default="", help="AWS region of the bucket.")(endpoint(command))


def place(target: str, region: str, endpoint_url: str) -> "Objects":
    """Return the bucket or the folder that somebody names; raise `UsageError` for neither."""
    if target.startswith("s3://"):
        from keepstone.aws.s3_objects import S3Objects

        bucket, _, prefix = target.removeprefix("s3://").partition("/")
        if not bucket:
            raise UsageError(f"expected `s3://BUCKET/PREFIX`, got `{target}`")
        return S3Objects(bucket, prefix, region=region, endpoint=endpoint_url)
    from keepstone.ledger.outside.objects import FolderObjects

    return FolderObjects(Path(target))


def read_key(key: str) -> str:
    """Return a verifier key that is given as itself or as a file; raise `UsageError` if it is neither."""
    if "+" in key:
        return key
    try:
        return Path(key).read_text("ascii", "replace").strip()
    except OSError as error:
        reason = (error.strerror or "failed").lower()
        hint = "expected a verifier key, `name+hash+base64`, or its file, as `.keepstone/keys/ledger.vkey`"
        raise UsageError(f"the key file `{key}` cannot be read: {reason}", hint=hint) from error


def anchor_options(command: _Command) -> _Command:
    """Add which anchors are meant: those of the policy, or others by name."""
    for option in (
        click.option("--witness", nargs=2, multiple=True, metavar="URL VKEY", help="A witness; repeatable."),
        click.option(
            "--anchor", "places", multiple=True, metavar="PLACE", help="A bucket or folder; repeatable."
        ),
        click.option(
            "--policy",
            type=click.Path(path_type=Path, dir_okay=False),
            default=lambda: from_environment().policy,
            show_default="KEEPSTONE_POLICY, keepstone.yaml",
            help="The document whose `record.anchors` are meant.",
        ),
    ):
        command = option(command)
    return command


def anchors_named(
    witnesses: Sequence[tuple[str, str]], places: Sequence[str], region: str, endpoint_url: str
) -> "list[Anchor]":
    """Return the anchors that the command line names."""
    from keepstone.ledger.outside.anchor import NoteAnchor
    from keepstone.ledger.outside.witness import WitnessAnchor, witness_at

    found: list[Anchor] = [NoteAnchor(place(each, region, endpoint_url)) for each in places]
    return found + [WitnessAnchor(witness_at(url, vkey)) for url, vkey in witnesses]


def anchors_of(policy: Path) -> "list[Anchor]":
    """Return the anchors of a policy; raise `UsageError` when it has none."""
    from keepstone.aws.places import open_anchor
    from keepstone.policy.compile import compile_policy
    from keepstone.policy.load import load

    anchors = compile_policy(load(policy)).record.anchors
    if not anchors:
        raise UsageError(f"`{policy}` names no anchors", hint="`record.anchors`, or `--anchor PLACE`")
    return [open_anchor(each) for each in anchors]
