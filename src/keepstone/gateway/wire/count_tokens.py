"""CountTokens: a Converse request or an InvokeModel body inside a body of its own."""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keepstone.core.errors import RequestError
from keepstone.core.exchange import Operation
from keepstone.gateway.wire.slots import decode_document, encode_document


@dataclass(frozen=True, slots=True)
class Counted:
    """The request whose tokens are to be counted: whose body it is, and its document."""

    operation: Operation
    document: dict[str, Any]

    def wrapped(self) -> dict[str, Any]:
        """Return CountTokens' own document around the request as it stands now."""
        if self.operation is Operation.CONVERSE:
            return {"input": {"converse": self.document}}
        body = b64encode(encode_document(self.document)).decode()
        return {"input": {"invokeModel": {"body": body}}}


def unwrap(document: Mapping[str, Any]) -> Counted:
    """Return the request inside a CountTokens body; raise `RequestError` unless it holds exactly one."""
    match document.get("input"):
        case {"converse": dict(inner), **rest} if not rest:
            return Counted(Operation.CONVERSE, inner)
        case {"invokeModel": {"body": str(raw)}, **rest} if not rest:
            try:
                body = b64decode(raw, validate=True)
            except (Base64Error, ValueError) as error:
                raise RequestError("the member `input.invokeModel.body` is not base64") from error
            return Counted(Operation.INVOKE_MODEL, decode_document(body))
    raise RequestError("the member `input` must hold exactly one of `converse` and `invokeModel`")
