"""Consents: the register's events as facts, and purposes that need one. Pure; who reads the file is above.

The register is a file of JSON lines in the manner of ISO/IEC TS 27560: one event a line, the newest of a
receipt counts. It holds receipts, purposes and countries, and nobody's name.

    {"receipt": "r-81f3", "event": "given", "time": "2026-03-01T09:00:00Z", "purposes": ["support"],
     "explicit": true, "countries": ["US"], "expires": "2027-03-01T00:00:00Z"}
    {"receipt": "r-81f3", "event": "withdrawn", "time": "2026-09-12T17:30:00Z"}
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec
from msgspec import Struct

from keepstone.catalog.jurisdictions import Regime, regime_of
from keepstone.core.errors import KeepstoneError
from keepstone.policy.residency.rules import ConsentRules
from keepstone.policy.residency.verdict import Basis, Consent, ConsentState, Facts, Says, Verdict

Receipts = Mapping[str, Consent]
"""The state of each receipt, as its newest event left it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Event(Struct, frozen=True, forbid_unknown_fields=True):
    receipt: str
    event: Literal["given", "refused", "withdrawn", "expired"]
    time: datetime
    purposes: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    explicit: bool = False
    expires: datetime | None = None
    jurisdiction: str = ""
    notice: str = ""


_decoder = msgspec.json.Decoder(_Event)


def read_register(raw: bytes) -> dict[str, Consent]:
    """Return the state of every receipt; raise `KeepstoneError` with the line that is no event."""
    found: dict[str, Consent] = {}
    for number, line in enumerate(raw.splitlines(), 1):
        if not line.strip():
            continue
        try:
            event = _decoder.decode(line)
            expires_ns = _ns(event.expires) if event.expires else 0
        except (msgspec.MsgspecError, ValueError) as error:
            message = f"line {number} of the consent register is not an event"
            raise KeepstoneError(message, code="consent.register") from error
        found[event.receipt] = Consent(
            ConsentState(event.event),
            tuple(sorted(set(event.purposes))),
            tuple(sorted(set(event.countries))),
            event.explicit,
            expires_ns,
        )
    return found


def consent_of(receipts: Receipts | None, receipt: str, now_ns: int) -> Consent:
    """Return what is known of a receipt at `now_ns`; `receipts` is `None` when the register is unreadable."""
    if receipts is None:
        return Consent(ConsentState.UNREADABLE)
    found = receipts.get(receipt)
    if found is None:
        return Consent(ConsentState.UNKNOWN)
    if found.state is not ConsentState.GIVEN:
        return Consent(found.state)
    if found.expires_ns and now_ns >= found.expires_ns:
        return Consent(ConsentState.EXPIRED)
    return found


def conditions(rules: ConsentRules | None, facts: Facts) -> Iterator[Verdict]:
    """Yield the word of each jurisdiction on the consent that the call's purpose needs, if it needs one."""
    if rules is None:
        return
    explicit = facts.purpose in rules.explicit_for
    if not explicit and facts.purpose not in rules.needed_for:
        return
    for jurisdiction in facts.jurisdictions:
        yield _condition(jurisdiction, facts, explicit=explicit)


def _condition(jurisdiction: str, facts: Facts, *, explicit: bool) -> Verdict:
    consent, purpose, regime = facts.consent, facts.purpose, regime_of(jurisdiction)
    article = _article(regime, "explicit" if explicit else "consent")
    says = Says.NO
    if consent.state is ConsentState.UNREADABLE:
        says, because = Says.COULD_NOT_TELL, "the consent register cannot be read"
    elif consent.state is ConsentState.WITHDRAWN:
        article, because = _article(regime, "withdrawn"), "the consent is withdrawn"
    elif consent.state is not ConsentState.GIVEN:
        because = f"purpose `{purpose}` needs a consent, which is {consent.state.value}"
    elif purpose not in consent.purposes:
        article, because = _article(regime, "purpose"), f"the consent is not for purpose `{purpose}`"
    elif explicit and not consent.explicit:
        because = f"purpose `{purpose}` needs an explicit consent"
    else:
        says, because = Says.YES, f"consent for purpose `{purpose}`"
    return Verdict(says, jurisdiction, article, because, Basis.CONSENT, "residency.consent")


def _article(regime: Regime | None, name: str) -> str:
    return "`residency.consent` of the policy" if regime is None else str(getattr(regime.articles, name))


def _ns(moment: datetime) -> int:
    """Return nanoseconds since the epoch; raise `ValueError` for a time without an offset."""
    if moment.tzinfo is None:
        raise ValueError("a time needs its offset from UTC")
    return int((moment - _EPOCH).total_seconds()) * 1_000_000_000
