"""What of moto's answers AWS would not say: each is read as an SDK reads it, and held against AWS's model."""

from collections.abc import Iterable, Iterator
from typing import Any

from botocore.parsers import ResponseParserError, create_parser

from tests.simulators.aws.conformance import faults


def untrue(operation: Any, protocol: str, status: int, headers: Any, body: bytes) -> Iterator[str]:
    """Say what of an answer its operation's model does not allow; nothing of what an SDK passes over."""
    sent = {"status_code": status, "headers": dict(headers), "body": body}
    try:
        told = create_parser(protocol).parse(sent, operation.output_shape)
    except (ResponseParserError, MemoryError) as error:
        yield f"cannot be read as `{protocol}`: {type(error).__name__}"
        return
    told.pop("ResponseMetadata", None)
    yield from faults(operation.output_shape, told)


class Noted:
    """What an application sends, handed on as it is and kept until it is whole."""

    def __init__(self, start: Any) -> None:
        self._start = start
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.body = b""

    def __call__(self, status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        """Note status and headers."""
        self.status, self.headers = int(status.split(maxsplit=1)[0]), headers
        return self._start(status, headers, *rest)

    def whole(self, sent: Iterable[bytes]) -> Iterable[bytes]:
        """Keep the body, and return it."""
        self.body = b"".join(sent)
        return [self.body]
