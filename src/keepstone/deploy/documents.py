"""IAM policy documents: where their ARNs are, what they are made of, how long AWS lets them be."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from keepstone.catalog.places import partition_of, regions
from keepstone.core.errors import DeployError

Document = dict[str, Any]
MOST_CHARACTERS = {"managed policy": 6144, "service control policy": 5120}
"""AWS's quotas, white space apart."""
DEFAULT_ROLE = "JQ-12345678-Bedrock"
"""The module's default of `bedrock_role_name`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a deployment is, as its ARNs say it; `*` for an account that is not known yet."""

    environment: str
    region: str
    account: str = "*"
    role: str = DEFAULT_ROLE

    @property
    def prefix(self) -> str:
        """Return what the names of resources begin with."""
        return f"{self.environment}-bedrock"

    @property
    def partition(self) -> str:
        """Return the partition that ARNs here name."""
        return partition_of(self.region)

    @property
    def dns_suffix(self) -> str:
        """Return how the names of services end here."""
        found = regions().get(self.region)
        return found.dns_suffix if found is not None else "amazonaws.com"

    def fill(self, arn: str) -> str:
        """Return an ARN with this place in it."""
        return arn.format(
            partition=self.partition,
            region=self.region,
            account=self.account,
            prefix=self.prefix,
            role=self.role,
        )


def allow(actions: Iterable[str], resources: Iterable[str]) -> Document:
    """Return a statement that allows actions on resources."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def allow_key(place: Place, region: str, key: str, actions: Iterable[str]) -> Document:
    """Return a statement that allows actions on one key, given by id, alias or the ARN of either."""
    arn = key if key.startswith("arn:") else f"arn:{place.partition}:kms:{region}:{place.account}:{key}"
    head, _, name = arn.rpartition(":")
    if not name.startswith("alias/"):
        return allow(actions, (f"{head}:key/{name.removeprefix('key/')}",))
    named = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": [name]}}
    return allow(actions, (f"{head}:key/*",)) | {"Condition": named}


def document(statements: Iterable[Document]) -> Document:
    """Return a policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def characters(policy: Document) -> int:
    """Return how long AWS says a policy is: its characters without white space."""
    return sum(not each.isspace() for each in json.dumps(policy, ensure_ascii=False))


def split(policy: Document, most: int) -> Sequence[Document]:
    """Return policies of at most so many characters that together say the same; no statement is cut.

    Each statement goes into the first policy that has room for it, the longest first. Raise `DeployError` for
    a statement that is too long by itself.
    """
    parts: list[list[Document]] = []
    for statement in sorted(policy["Statement"], key=lambda each: -characters(each)):
        if characters(document([statement])) > most:
            raise DeployError(
                f"a statement alone is longer than `{most}` characters",
                hint="attach the policy as an inline policy of a role, which may have 10,240",
            )
        roomy = (part for part in parts if characters(document([*part, statement])) <= most)
        part = next(roomy, None)
        if part is None:
            parts.append([statement])
        else:
            part.append(statement)
    return [document(part) for part in parts]
