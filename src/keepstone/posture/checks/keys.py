"""Keys of KMS: rotation, policy, and what would make them unusable."""

import re

from keepstone.posture.documents import confused, offending, open_to_all
from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Reading
from keepstone.posture.registry import check
from keepstone.posture.values import Unknown
from keepstone.posture.verdict import Opinion, failed, passed, require

LEAST_WINDOW = 14
_PRINCIPAL = re.compile(r"arn:[\w-]+:(?:iam|sts)::(\d{12}):[^*?]+")


@check("KS-KEY-001", of=Kind.KEY)
def key_is_rotated(key: Reading) -> Opinion:
    """The key is rotated."""
    return require(bool(key["rotated"]), "rotation is off")


@check("KS-KEY-002", of=Kind.KEY)
def key_is_not_lost_at_once(key: Reading) -> Opinion:
    """Between the order to delete the key and its end there are two weeks at least."""
    days = key["deletion_days"]
    return require(
        days is None or days >= LEAST_WINDOW, f"the key is gone after {days} days, expected {LEAST_WINDOW}"
    )


@check("KS-KEY-003", of=Kind.KEY)
def key_is_not_open_to_all(key: Reading) -> Opinion:
    """Nobody outside of the account may use the key by its policy."""
    found = offending(key["policy"], open_to_all)
    return require(not found, f"`{found}` lets anybody use the key")


@check("KS-KEY-004", of=Kind.KEY)
def services_use_the_key_for_this_account_only(key: Reading) -> Opinion:
    """A service may use the key only on behalf of this account."""
    found = offending(key["policy"], lambda each: bool(confused(each)))
    return require(not found, f"`{found}` lets a service use the key for any account")


@check("KS-KEY-006", of=Kind.KEY_GRANT)
def key_is_granted_within_the_account(grant: Reading) -> Opinion:
    """A grant, of which no policy tells, is for a principal of the key's account."""
    principal = grant.raw("principal")
    if isinstance(principal, Unknown):
        grant.one(Kind.ROLE, "principal")
        return passed()  # whichever role it is, this source manages it
    found = _PRINCIPAL.fullmatch(str(principal))
    if found is None:
        return failed(f"`{principal}` is no principal of one account")
    return require(found[1] == grant["account"], f"`{principal}` is of another account")


@check("KS-KEY-005", of=Kind.KEY)
def key_is_enabled(key: Reading) -> Opinion:
    """The key can be used."""
    return require(bool(key["enabled"]), "the key is disabled: what it encrypts cannot be read or written")
