"""Residency at call time: headers to facts, facts to the upstreams that a call may use, remembered.

Each call is looked up by all that its verdict rests on. What is remembered ends with the day, the age of
what AWS said about a profile, or with a consent; it is forgotten when that changes. The memo is bounded.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from keepstone.core.decision import Decision, ReasonCode
from keepstone.policy.model_ids import is_pattern
from keepstone.policy.residency.addresses import InProfile, address_of
from keepstone.policy.residency.consent import Receipts, consent_of
from keepstone.policy.residency.routing import Reach, Routing, day_of, narrow, reach_of
from keepstone.policy.residency.rules import ResidencyRules
from keepstone.policy.residency.verdict import NO_CONSENT, Consent, Facts
from keepstone.policy.rules import ModelRoute

JURISDICTION = b"x-keepstone-jurisdiction"
CONSENT = b"x-keepstone-consent"
MEMO_SIZE = 4096

_JURISDICTION = re.compile(rb"([A-Z]{2}|EEA)(-[A-Z0-9]{1,3})?")
_MALFORMED = Decision.refuse(
    ReasonCode.REQUEST_MALFORMED,
    "header `x-keepstone-jurisdiction` names no jurisdiction, such as `EU`, `CH` or `US-CA`",
)


class Profiles(Protocol):
    """What is known about inference profiles; `version` changes whenever that does."""

    version: int

    def reach(self, upstream: str, profile: str, now_ns: int) -> Reach:
        """Return where a profile computes when it is called at an upstream."""
        ...

    def want(self, upstream: str, profile: str) -> None:
        """Have a profile asked for soon."""
        ...

    async def refresh(self, now_ns: int) -> int:
        """Ask for what is missing or old; return how much was asked for."""
        ...


class Register(Protocol):
    """The consents as they are known now, `None` when the register cannot be read."""

    receipts: Receipts | None

    async def refresh(self) -> bool:
        """Read the register again if it has changed; say whether it has."""
        ...


class Question(Struct, frozen=True):
    """What a call is asked about: who calls which model for what purpose, and what its headers state.

    `upstreams` are those of the model that are allowed so far.
    """

    roles: tuple[str, ...]
    model_id: str
    model: ModelRoute
    upstreams: tuple[str, ...]
    purpose: str
    headers: Mapping[bytes, bytes]


class ResidencyGuard:
    """Narrows the upstreams of a call to those that its data may go to."""

    def __init__(self, rules: ResidencyRules, profiles: Profiles, register: Register | None) -> None:
        self._rules = rules
        self._profiles = profiles
        self._register = register
        self._version = -1
        self._memo: dict[object, Routing] = {}

    def route(self, question: Question, now_ns: int) -> Routing | Decision:
        """Return the upstreams that the call may use with the grounds, or its refusal; never waits."""
        headers = question.headers
        stated = headers.get(JURISDICTION, b"")
        consent = NO_CONSENT
        if self._register is not None and CONSENT in headers:
            receipt = headers[CONSENT].decode("latin-1").strip()
            consent = consent_of(self._register.receipts, receipt, now_ns)
        if self._version != self._profiles.version:
            self._version = self._profiles.version
            self._memo = {}
        upstreams, purpose = question.upstreams, question.purpose
        # the path tells a model's own route from those of its trials
        key = (question.roles, question.model_id, question.model.path, upstreams, purpose, stated, consent)
        found = self._memo.get(key)
        if found is None or found.until_ns <= now_ns:
            if stated and not _JURISDICTION.fullmatch(stated):
                return _MALFORMED
            found = self._decide(question, stated.decode(), consent, now_ns)
            if len(self._memo) >= MEMO_SIZE:
                self._memo = {}
            self._memo[key] = found
        return found if found.refusal is None else found.refusal

    def expect(self, models: Sequence[ModelRoute]) -> None:
        """Have the profiles asked for that the policy names, so that their first calls need not wait."""
        trials = [each.route for model in models for each in (model.canary, model.shadow) if each]
        for model in (*models, *trials):
            for name in model.upstreams:
                model_id = model.upstream_ids.get(name, model.name)
                if self._rules.sites[name].region and not is_pattern(model_id):
                    address = address_of(model_id)
                    if isinstance(address, InProfile):
                        self._profiles.want(name, address.profile)

    async def refresh(self, now_ns: int) -> None:
        """Bring what is known of profiles and consents up to date; for the background."""
        if self._register is not None:
            await self._register.refresh()
        await self._profiles.refresh(now_ns)

    def _decide(self, question: Question, stated: str, consent: Consent, now_ns: int) -> Routing:
        rules, model = self._rules, question.model
        jurisdictions = rules.jurisdictions_of(question.roles, stated)
        facts = Facts(jurisdictions, day_of(now_ns).date(), question.purpose, consent)

        def look_up(upstream: str, profile: str) -> Reach:
            return self._profiles.reach(upstream, profile, now_ns)

        reaches = [
            (name, reach_of(rules.sites[name], name, model.upstream_id(name, question.model_id), look_up))
            for name in question.upstreams
        ]
        return narrow(rules, facts, reaches, now_ns)
