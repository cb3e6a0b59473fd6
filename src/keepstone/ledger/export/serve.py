"""A trail in a folder, served as S3 and CloudTrail serve one: for `aws cloudtrail validate-logs`.

Read-only: GetObject, ListObjects(V2) and GetBucketLocation of one bucket, and CloudTrail's ListPublicKeys
with the key that signed the trail. Nothing is authenticated; it listens on loopback, and answers only
who asks for that by name: a page in a browser, whose own name may be made to lead here, gets nothing.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from keepstone import __version__
from keepstone.ledger.export.digest import SigningKey
from keepstone.ledger.export.sink import META
from keepstone.ledger.export.trail import STATE

_TARGET = "CloudTrail_20131101.ListPublicKeys"
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_OURS = frozenset({"127.0.0.1", "localhost", "::1"})
_MOST_KEYS = 1000
_MOST_BODY = 64 * 1024


class TrailServer(ThreadingHTTPServer):
    """Serves the trail in `folder` as the bucket `bucket`."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], folder: Path, bucket: str, key: SigningKey) -> None:
        super().__init__(address, _Handler)
        self.folder = folder.resolve()
        self.bucket = bucket
        self.key = key


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = f"keepstone/{__version__}"
    server: TrailServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's word
        """Say nothing: paths hold account numbers."""

    def parse_request(self) -> bool:
        """Read a request's head; refuse one that is meant for another host."""
        if not super().parse_request():
            return False
        hosts = self.headers.get_all("host") or []
        if len(hosts) == 1 and _name_of(hosts[0]) in _OURS:
            return True
        self.close_connection = True
        self._xml(403, "<Error><Code>AccessDenied</Code><Message>ask for 127.0.0.1</Message></Error>")
        return False

    def do_POST(self) -> None:
        """Answer ListPublicKeys."""
        length = self.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > _MOST_BODY:
            self._send(400, b"{}", "application/x-amz-json-1.1")
            return
        self.rfile.read(int(length))
        if not self.headers.get("x-amz-target", "").endswith(_TARGET):
            refusal = {"__type": "UnsupportedOperationException", "message": "only ListPublicKeys is served"}
            self._send(400, json.dumps(refusal).encode(), "application/x-amz-json-1.1")
            return
        always = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
        keys = {"PublicKeyList": [self.server.key.public_key(*always)]}
        self._send(200, json.dumps(keys).encode(), "application/x-amz-json-1.1")

    def do_GET(self) -> None:
        """Answer the three reads of S3, path-style."""
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        query = parse_qs(parts.query, keep_blank_values=True)
        if bucket != self.server.bucket:
            self._xml(404, "<Error><Code>NoSuchBucket</Code></Error>")
        elif key:
            self._object(key)
        elif "location" in query:
            self._xml(200, f'<LocationConstraint xmlns="{_NAMESPACE}"/>')
        else:
            self._list(query)

    def _object(self, key: str) -> None:
        path = (self.server.folder / key).resolve()
        if not path.is_relative_to(self.server.folder) or not path.is_file():
            self._xml(404, "<Error><Code>NoSuchKey</Code></Error>")
            return
        beside = path.with_name(path.name + META)
        metadata = json.loads(beside.read_bytes()) if beside.is_file() else {}
        self._send(200, path.read_bytes(), "application/octet-stream", metadata)

    def _list(self, query: Mapping[str, list[str]]) -> None:
        prefix = query.get("prefix", [""])[0]
        after = (query.get("marker") or query.get("continuation-token") or query.get("start-after") or [""])[
            0
        ]
        keys = sorted(
            path.relative_to(self.server.folder).as_posix()
            for path in self.server.folder.rglob("*.json.gz")
            if path.name != STATE
        )
        found = [key for key in keys if key.startswith(prefix) and key > after]
        page, more = found[:_MOST_KEYS], len(found) > _MOST_KEYS
        rows = "".join(f"<Contents><Key>{escape(key)}</Key><Size>1</Size></Contents>" for key in page)
        marker = f"<NextMarker>{escape(page[-1])}</NextMarker>" if more else ""
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        self._xml(
            200,
            f'<ListBucketResult xmlns="{_NAMESPACE}"><Name>{escape(self.server.bucket)}</Name>'
            f"<Prefix>{escape(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount><MaxKeys>{_MOST_KEYS}</MaxKeys>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{marker}{token}{rows}</ListBucketResult>",
        )

    def _xml(self, status: int, text: str) -> None:
        self._send(status, f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode(), "application/xml")

    def _send(self, status: int, body: bytes, kind: str, metadata: Mapping[str, str] = {}) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("last-modified", "Sat, 01 Jan 2000 00:00:00 GMT")
        for name, value in metadata.items():
            self.send_header(f"x-amz-meta-{name}", value)
        self.end_headers()
        self.wfile.write(body)


def _name_of(host: str) -> str:
    """Return the name in a `Host` header, empty for none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
