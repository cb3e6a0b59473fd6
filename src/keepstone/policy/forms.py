"""The forms of text that the document knows, in words: what an error says instead of a pattern.

The patterns stand where the types are; a test proves that each has its words here, and that its example fits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Form:
    """What a text must look like: its kind in a word, the rule in words, and one that fits."""

    kind: str
    words: str
    example: str

    @property
    def expected(self) -> str:
        """Return the form as the end of `expected ...`."""
        return f"{self.words}, such as `{self.example}`"


_URL = Form("URL", "a URL that begins with `https://` or `http://`", "https://models.acme.example/v1")
_JURISDICTION = Form("jurisdiction", "`EU`, a country's code of ISO 3166 or a part of one", "US-CA")
_PLACE = Form("country or bloc", "a country's code of ISO 3166, or `EU` or `EEA` for all their members", "CH")
_AWS_REGION = Form("AWS region", "the id of an AWS region", "eu-central-1")

FORMS: Mapping[str, Form] = MappingProxyType(
    {
        r"^[a-z0-9][a-z0-9._-]{0,63}$": Form(
            "name", "a name of 1 to 64 lower-case letters, digits, `.`, `_` and `-`", "claims-service"
        ),
        r"^[1-9][0-9]{0,5}(ms|s|m|h|d)$": Form(
            "duration", "a whole number and its unit, `ms`, `s`, `m`, `h` or `d`, without a space", "30s"
        ),
        r"^[A-Za-z,-]+ [0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2} [A-Za-z0-9_+/-]+$": Form(
            "window of time",
            "days, hours with two digits each, and an IANA time zone",
            "Mon-Fri 08:00-18:00 Europe/Berlin",
        ),
        r"^[0-9]{12}$": Form("text", "12 digits", "123456789012"),
        r"^[a-z][a-z0-9-]{0,19}$": Form(
            "environment", "up to 20 lower-case letters, digits and `-`, a letter first", "production"
        ),
        r"^[a-z][a-z0-9_]*$": Form(
            "variable", "the name of a variable of the Terraform module", "log_retention_days"
        ),
        r"^[a-z0-9*][a-z0-9*-]{0,63}$": Form(
            "regions", "a region, or a pattern in which `*` stands for any text", "eu-*"
        ),
        r"^([a-z0-9][a-z0-9-]{0,63})?$": Form(
            "region", "lower-case letters, digits and `-`, at most 64", "eu-central-1"
        ),
        r"^[a-z]{2,4}(-[a-z]+)+-[0-9]$": _AWS_REGION,
        r"^([a-z]{2,4}(-[a-z]+)+-[0-9])?$": _AWS_REGION,
        r"^https?://": _URL,
        r"^(https?://.+)?$": _URL,
        r"^(https?://.*)?$": _URL,
        r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$": _JURISDICTION,
        r"^([A-Z]{2}|EEA)(-[A-Z0-9]{1,3})?$": _JURISDICTION,
        r"^([A-Z]{2}|EEA)$": _PLACE,
        r"^([A-Z]{2}|EEA|\*)$": Form(
            "reach", "a country's code of ISO 3166, `EU`, `EEA`, or `*` for any country", "US"
        ),
        r"^([A-Z]{2})?$": Form("country", "a country's code of ISO 3166", "DE"),
        r"^[A-Z]{3}$": Form("currency", "a currency's code of ISO 4217", "USD"),
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$": Form("day", "a day as year, month and day", "2026-01-31"),
        r"^spiffe://[a-z0-9._-]+(/.+)?$": Form(
            "SPIFFE id", "a SPIFFE id, in which `*` stands for one segment", "spiffe://acme.example/claims/*"
        ),
        r"^[A-Za-z_][A-Za-z0-9_]*$": Form(
            "variable", "the name of an environment variable, never its value", "MODELS_API_KEY"
        ),
        r"^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,512}$": Form(
            "ARN of a role", "the ARN of an IAM role", "arn:aws:iam::111122223333:role/models"
        ),
        r"^([a-z0-9]{1,64}|arn:[a-z-]+:bedrock:[a-z0-9-]+:[0-9]{12}:guardrail/[a-z0-9]+)$": Form(
            "guardrail", "the id of a guardrail of Bedrock, or its ARN", "gr8x5vk2p0d1"
        ),
        r"^([1-9][0-9]{0,7}|DRAFT)$": Form("version", "the number of a version, or `DRAFT`", "1"),
        r"^([\w+=,.@:/-]{2,1224})?$": Form(
            "text", "2 to 1224 letters, digits and `_+=,.@:/-`, without spaces", "acme-models"
        ),
        r"^[\w+=,.@-]{2,64}$": Form(
            "text", "2 to 64 letters, digits and `_+=,.@-`, without spaces", "keepstone"
        ),
        r"^[0-9a-zA-Z_ -]{1,100}$": Form(
            "text", "1 to 100 letters, digits, spaces, `_` and `-`", "claim-number"
        ),
        r"^[A-Za-z_][A-Za-z0-9_-]{0,63}(\.[A-Za-z_][A-Za-z0-9_-]{0,63}){0,7}$": Form(
            "path", "names of members with `.` between them, at most eight", "inferenceConfig.maxTokens"
        ),
        r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$": Form(
            "bucket", "the name of a bucket: 3 to 63 lower-case letters, digits, `.` and `-`", "acme-ledger"
        ),
        r"^([A-Za-z0-9._=-]+(/[A-Za-z0-9._=-]+)*)?$": Form(
            "prefix", "letters, digits, `._=-` and single `/` between, none at either end", "prod/gateway-1"
        ),
        r"^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*$": Form(
            "verifier key",
            "a verifier key as its owner prints it: name, hash and key with `+` between",
            "witness.example+1a2b3c4d+BAAA",
        ),
    }
)
