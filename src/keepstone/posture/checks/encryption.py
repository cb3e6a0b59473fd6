"""How every check judges a key: a customer's own, known by its ARN or by the resource that it comes from."""

import re

from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Reading
from keepstone.posture.values import NotKnown, Unknown
from keepstone.posture.verdict import Opinion, failed, passed

_AWS_MANAGED = re.compile(r"alias/aws/")


def own_key(resource: Reading, name: str = "key") -> Opinion:
    """Say whether the attribute is a customer-managed key."""
    value = resource.raw(name)
    if isinstance(value, Unknown):
        try:
            resource.account.snapshot.candidates(Kind.KEY, value)
        except NotKnown as error:
            raise NotKnown(f"`{name}`: {error}") from None
        return passed()  # whichever it is, it is a key that this source manages
    if not value:
        return failed("no key is set, so AWS encrypts with one of its own")
    if _AWS_MANAGED.search(value):
        return failed(f"the key is `{value}`, which AWS manages")
    return passed()
