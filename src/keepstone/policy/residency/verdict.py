"""What is asked about one destination, and the three answers that there are."""

from datetime import date
from enum import StrEnum

from msgspec import Struct

from keepstone.catalog.places import ANYWHERE


class Says(StrEnum):
    """The three sides of a verdict."""

    __hash__ = str.__hash__

    YES = "yes"
    NO = "no"
    COULD_NOT_TELL = "could not tell"


class Basis(StrEnum):
    """The ground that a verdict rests on."""

    __hash__ = str.__hash__

    HOME = "home"
    STAYS = "stays"
    FREE = "free"
    HERE = "here"
    ADEQUACY = "adequacy"
    DPF = "dpf"
    SCC = "scc"
    BCR = "bcr"
    CONSENT = "consent"
    NONE = ""


class ConsentState(StrEnum):
    """What the register says about a receipt; `UNREADABLE` is the register's own state."""

    __hash__ = str.__hash__

    ABSENT = "absent"
    UNKNOWN = "unknown"
    UNREADABLE = "unreadable"
    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Consent(Struct, frozen=True):
    """What is known of the consent that a call names; equal facts compare equal, whoever gave them.

    `countries` are those whose risks the person was told of. `expires_ns` is 0 for no end.
    """

    state: ConsentState
    purposes: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    explicit: bool = False
    expires_ns: int = 0


NO_CONSENT = Consent(ConsentState.ABSENT)


class Facts(Struct, frozen=True):
    """What verdicts about a call rest on, but for the place; every one of `jurisdictions` must agree."""

    jurisdictions: tuple[str, ...]
    day: date
    purpose: str = ""
    consent: Consent = NO_CONSENT


class Destination(Struct, frozen=True):
    """A place that an upstream may send a call to; `country` is empty when nobody can say."""

    upstream: str
    country: str
    region: str = ""

    @property
    def where(self) -> str:
        """Return the place for people."""
        if self.country == ANYWHERE:
            return "any region there is or will be"
        if not self.region:
            return self.country or "an unknown country"
        return f"{self.region} ({self.country or 'unknown country'})"


class Verdict(Struct, frozen=True):
    """One jurisdiction's word on one destination.

    `article` is what is cited, `path` the place in the policy, `until` the last day on which a yes holds.
    """

    says: Says
    jurisdiction: str
    article: str
    because: str
    basis: Basis = Basis.NONE
    path: str = ""
    until: date | None = None
