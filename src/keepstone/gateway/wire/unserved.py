"""Operations of Bedrock Runtime that exist and are not served, each with the reason and what to use instead.

They are refused because content would reach a model, or come from one, without having been inspected. A
caller is told so, and the refusal is recorded, rather than that there is no such operation.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

_ASYNC = (
    "{}: a model reads its input from, and writes its answer to, a bucket that the gateway does not see, so "
    "nothing would be inspected or recorded; use Converse, InvokeModel or their streams"
)

WHY: Mapping[str, str] = MappingProxyType(
    {
        "InvokeModelWithBidirectionalStream": (
            "InvokeModelWithBidirectionalStream: speech in both directions at once cannot be "
            "inspected before it is passed on; use ConverseStream with the text of the speech"
        ),
        "StartAsyncInvoke": _ASYNC.format("StartAsyncInvoke"),
        "GetAsyncInvoke": _ASYNC.format("GetAsyncInvoke"),
        "ListAsyncInvokes": _ASYNC.format("ListAsyncInvokes"),
    }
)
"""Operation -> what its caller is told."""

_PATHS = (
    (
        "POST",
        re.compile(rb"/model/[^/]+/invoke-with-bidirectional-stream"),
        "InvokeModelWithBidirectionalStream",
    ),
    ("POST", re.compile(rb"/async-invoke/?"), "StartAsyncInvoke"),
    ("GET", re.compile(rb"/async-invoke/?"), "ListAsyncInvokes"),
    ("GET", re.compile(rb"/async-invoke/.{1,4096}"), "GetAsyncInvoke"),
)


def unserved(method: str, raw_path: bytes) -> str:
    """Return the name of the operation that a path stands for, empty when it stands for none of these."""
    for verb, path, operation in _PATHS:
        if method == verb and path.fullmatch(raw_path):
            return operation
    return ""
