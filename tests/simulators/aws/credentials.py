"""Whom AWS does not know: an access key that was never given out, refused as each protocol refuses it.

Codes and status are those of AWS's common errors and of S3's and EC2's own lists.
"""

import json
import re
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

STRANGER = "AKIA" + "NOBODYKNOWSTHIS0"
"""An access key that this AWS has never given out."""
_SIGNED = re.compile(r"Credential=([^/]+)/[0-9]{8}/[a-z0-9-]+/([a-z0-9-]+)/aws4_request")
_INVALID = "The security token included in the request is invalid."
_QUERY = frozenset({"elasticloadbalancing", "elasticache", "iam", "monitoring", "rds", "sns", "sts"})
_REST = frozenset({"bedrock", "elasticfilesystem"})


def refusal(authorization: str, target: str) -> Response | None:
    """Return what a stranger is told; none for whom AWS knows. `target` is the header of JSON protocols."""
    signed = _SIGNED.search(authorization)
    if signed is None or signed[1] != STRANGER:
        return None
    service = signed[2]
    if service == "ec2":
        return _ec2("AuthFailure", "AWS was not able to validate the provided access credentials")
    if service == "s3":
        return _s3("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
    if service in _QUERY and not target:
        return _query("InvalidClientTokenId", _INVALID)
    return _json("UnrecognizedClientException", _INVALID, typed=service in _REST)


def _query(code: str, message: str) -> Response:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    text = (
        f"<ErrorResponse>{error}<RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>"
    )
    return Response(text, 403, content_type="text/xml")


def _ec2(code: str, message: str) -> Response:
    error = f"<Errors><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error></Errors>"
    text = f"<Response>{error}<RequestID>00000000-0000-4000-8000-000000000000</RequestID></Response>"
    return Response(text, 401, content_type="text/xml")


def _s3(code: str, message: str) -> Response:
    text = (
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message><RequestId>0000</RequestId></Error>"
    )
    return Response(text, 403, content_type="application/xml")


def _json(code: str, message: str, *, typed: bool) -> Response:
    body = {"message": message} if typed else {"__type": code, "message": message}
    headers = {"x-amzn-ErrorType": code} if typed else {}
    kind = "application/json" if typed else "application/x-amz-json-1.1"
    return Response(json.dumps(body), 403, headers, content_type=kind)
