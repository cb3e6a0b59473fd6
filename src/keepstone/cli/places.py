"""What commands about ledgers are told: places outside, and the key to verify with."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from keepstone.core.errors import UsageError

if TYPE_CHECKING:
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
        raise UsageError(f"the key file `{key}` cannot be read") from error
