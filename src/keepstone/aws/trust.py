"""Which authorities AWS SDKs trust by default."""

from importlib.resources import files


def default_roots() -> bytes:
    """Return botocore's own bundle of certificate authorities, PEM."""
    return files("botocore").joinpath("cacert.pem").read_bytes()
