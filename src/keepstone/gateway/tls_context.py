"""TLS towards callers: version, client certificates, and files that are read again while connections live.

Each new connection is opened with the newest files that were good; those that are open keep what they were
opened with. A file that cannot be used changes nothing and is told.
"""

import ssl
from pathlib import Path
from typing import Any

from keepstone.core.errors import UsageError
from keepstone.gateway.tls import TlsFiles

_MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class ServingContext(ssl.SSLContext):
    """What the server is given once: it hands each connection to the context of the newest files."""

    _files: TlsFiles
    _newest: ssl.SSLContext

    @classmethod
    def of(cls, files: TlsFiles) -> "ServingContext":
        """Read the files; raise `UsageError` for ones that cannot be used."""
        context = cls(ssl.PROTOCOL_TLS_SERVER)
        context._files, context._newest = files, context_of(files)
        return context

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return the files that are read."""
        files = (self._files.certificate, self._files.key, self._files.client_ca)
        return tuple(each for each in files if each is not None)

    def reload(self) -> None:
        """Read the files again; raise `UsageError` and keep the old ones when they cannot be used."""
        self._newest = context_of(self._files)

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        """Open one connection."""
        return self._newest.wrap_bio(*arguments, **named)


def context_of(files: TlsFiles) -> ssl.SSLContext:
    """Return a context of the files as they are now; raise `UsageError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _MINIMUM[files.minimum]
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        message = f"`{files.certificate}` and `{files.key}` are not a certificate and its key, PEM"
        raise UsageError(message) from error
    if files.client_ca is not None:
        try:
            context.load_verify_locations(cafile=files.client_ca)
            if b"-----BEGIN X509 CRL-----" in files.client_ca.read_bytes():
                context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        except (OSError, ssl.SSLError) as error:
            raise UsageError(f"`{files.client_ca}` holds no certificate authorities, PEM") from error
        context.verify_mode = ssl.CERT_REQUIRED if files.clients == "required" else ssl.CERT_OPTIONAL
        # a resumed session would not be verified again, though the authorities may have changed since
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return context
