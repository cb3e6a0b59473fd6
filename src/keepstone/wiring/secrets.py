"""Secrets that a policy names: read at the start, so that a missing one is told then, and at each use."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from keepstone.core.errors import PolicyError, UpstreamError
from keepstone.policy.schema.upstreams import SecretRef


def secret(reference: SecretRef, upstream: str, environ: Mapping[str, str] = os.environ) -> Callable[[], str]:
    """Return how to read a secret; it is read once now, so that a missing one is told at start.

    Raises `PolicyError` now; what is returned raises `UpstreamError` when the secret has gone since.
    """

    def read() -> str:
        try:
            return _read_secret(reference, upstream, environ)
        except PolicyError as error:  # it was there at the start: now it is the upstream that fails
            raise UpstreamError(error.message, code="upstream.credentials") from error

    _read_secret(reference, upstream, environ)
    return read


def _read_secret(reference: SecretRef, upstream: str, environ: Mapping[str, str]) -> str:
    if reference.file is None:
        found = environ.get(reference.env or "", "").strip()
        if not found:
            raise PolicyError(f"upstream `{upstream}`: environment variable `{reference.env}` is not set")
        return found
    try:
        found = Path(reference.file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"upstream `{upstream}`: cannot read the secret in `{reference.file}`"
        raise PolicyError(message) from error
    if not found:
        raise PolicyError(f"upstream `{upstream}`: cannot read the secret in `{reference.file}`: it is empty")
    return found
