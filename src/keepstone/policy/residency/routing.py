"""From the verdicts about every destination to the upstreams that a call may use. Pure.

An upstream may be used when every place it may send the call to is allowed by every jurisdiction of the data.
When none is left, the refusal names each destination that failed, with its article.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from keepstone.catalog.places import ANYWHERE, commercial_regions, country_of
from keepstone.core.decision import Decision, Reason, ReasonCode
from keepstone.policy.residency.addresses import InProfile, InRegions, address_of
from keepstone.policy.residency.consent import conditions
from keepstone.policy.residency.rules import ResidencyRules, Site
from keepstone.policy.residency.transfer import judge
from keepstone.policy.residency.verdict import Destination, Facts, Says, Verdict

_DAY_NS = 86_400_000_000_000


class Reach(Struct, frozen=True):
    """The regions that calls of a model may be computed in, beside the one that is called.

    `until_ns` is when this has to be asked again, 0 for never. `unknown` says why nobody can tell; `pending`
    that the answer is on its way; `assumed` that it is taken from a table and not from AWS.
    """

    regions: tuple[str, ...] = ()
    source: str = ""
    until_ns: int = 0
    unknown: str = ""
    pending: bool = False
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """A verdict and the destination that it is about."""

    destination: Destination
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Weighed:
    """One upstream with the words on all its destinations; `reach` says how they are known."""

    upstream: str
    reach: Reach
    words: tuple[Word, ...]

    @property
    def says(self) -> Says:
        """Return yes when every destination is allowed; one that nobody can judge is none."""
        found = {each.verdict.says for each in self.words}
        if Says.NO in found:
            return Says.NO
        return Says.YES if found == {Says.YES} and not self.reach.unknown else Says.COULD_NOT_TELL


class Routing(Struct, frozen=True):
    """What a call may use: upstreams in their order with the grounds, or the refusal.

    It holds for the same facts until `until_ns`; `assumed` when it rests on a table of ours.
    """

    candidates: tuple[str, ...]
    note: Reason
    refusal: Decision | None
    until_ns: int
    assumed: bool = False


def destinations(upstream: str, site: Site, reach: Reach) -> tuple[Destination, ...]:
    """Return every place that an upstream may send a call to: its own, and those its reach names."""
    if not site.region:
        return (Destination(upstream, site.country),)
    named = dict.fromkeys((site.region, *reach.regions))
    if ANYWHERE in named:
        del named[ANYWHERE]
        named |= dict.fromkeys(commercial_regions())
        named[ANYWHERE] = None
    return tuple(
        Destination(upstream, ANYWHERE if each == ANYWHERE else country_of(each), each) for each in named
    )


def reach_of(site: Site, upstream: str, model_id: str, look_up: Callable[[str, str], Reach]) -> Reach:
    """Return where calls of a model go from an upstream; only Bedrock sends them on.

    `look_up` is asked for inference profiles, with the upstream and the profile.
    """
    if not site.region:
        return Reach()
    match address_of(model_id):
        case InRegions(regions):
            return Reach(regions, "the model's id")
        case InProfile(profile):
            return look_up(upstream, profile)
        case nowhere:
            return Reach(unknown=nowhere.because)


def weigh(rules: ResidencyRules, facts: Facts, upstream: str, reach: Reach) -> Weighed:
    """Return every jurisdiction's word on every destination of an upstream."""
    places = destinations(upstream, rules.sites[upstream], reach)
    words = tuple(
        Word(place, judge(rules, jurisdiction, place, facts))
        for place in places
        for jurisdiction in facts.jurisdictions
    )
    return Weighed(upstream, reach, words)


def narrow(rules: ResidencyRules, facts: Facts, reaches: Sequence[tuple[str, Reach]], now_ns: int) -> Routing:
    """Return which of the upstreams a call may use, given what each of them reaches."""
    until_ns = _holds_until(facts, [reach for _, reach in reaches], now_ns)
    failed = [each for each in conditions(rules.consent, facts) if each.says is not Says.YES]
    if failed:
        return Routing((), _NOTHING, _without_consent(failed), until_ns)
    if not facts.jurisdictions:
        message = "nobody has said whose data the call carries"
        refusal = Decision.refuse(ReasonCode.DESTINATION_UNKNOWN, message, "residency.jurisdictions")
        return Routing((), _NOTHING, refusal, until_ns)
    weighed = [weigh(rules, facts, upstream, reach) for upstream, reach in reaches]
    allowed = [each for each in weighed if each.says is Says.YES]
    if not allowed:
        return Routing((), _NOTHING, _refusal(facts, weighed), until_ns)
    names = tuple(each.upstream for each in allowed)
    assumed = any(each.reach.assumed for each in allowed)
    return Routing(names, _note(facts, allowed), None, until_ns, assumed)


_NOTHING = Reason(ReasonCode.TRANSFER_ALLOWED, "")


def _holds_until(facts: Facts, reaches: Iterable[Reach], now_ns: int) -> int:
    """Return when the same question may get another answer: a new day, an older reach, an ended consent."""
    ends = [each.until_ns for each in reaches if each.until_ns]
    if facts.consent.expires_ns:
        ends.append(facts.consent.expires_ns)
    return min([now_ns - now_ns % _DAY_NS + _DAY_NS, *ends])


def _without_consent(failed: Sequence[Verdict]) -> Decision:
    message = "; ".join(dict.fromkeys(f"{each.because} ({each.article})" for each in failed))
    return Decision.refuse(ReasonCode.CONSENT_MISSING, message, failed[0].path)


def _refusal(facts: Facts, weighed: Sequence[Weighed]) -> Decision:
    """Name each destination that failed; what is surely forbidden counts before what nobody can tell."""
    sentences = [sentence for each in weighed for sentence in _failures(each)]
    data = f"data of {', '.join(facts.jurisdictions)} may go to none of the model's upstreams"
    code = ReasonCode.TRANSFER_REFUSED
    if any(each.says is Says.COULD_NOT_TELL for each in weighed):
        code = ReasonCode.DESTINATION_UNKNOWN
        if any(each.reach.pending for each in weighed):
            code = ReasonCode.DESTINATION_PENDING
    paths = [word.verdict.path for each in weighed for word in each.words if word.verdict.path]
    return Decision.refuse(code, f"{data}: {'; '.join(sentences)}", paths[0] if paths else "residency")


def _failures(weighed: Weighed) -> list[str]:
    """Return one sentence for each ground on which destinations of an upstream failed."""
    grounds: dict[tuple[str, str], list[str]] = {}
    for word in weighed.words:
        if word.verdict.says is not Says.YES:
            article = f" ({word.verdict.article})" if word.verdict.article else ""
            ground = (word.verdict.jurisdiction, f"{word.verdict.because}{article}")
            grounds.setdefault(ground, []).append(word.destination.where)
    found = [
        f"`{weighed.upstream}` to {', '.join(places)}: {because}" for (_, because), places in grounds.items()
    ]
    if weighed.reach.unknown:
        found.append(f"`{weighed.upstream}`: {weighed.reach.unknown}")
    return found


def _note(facts: Facts, allowed: Sequence[Weighed]) -> Reason:
    """Return the grounds for the record: each upstream with the articles that allow its destinations."""
    parts = []
    for each in allowed:
        grounds: dict[str, dict[str, None]] = {}
        for word in each.words:
            place = word.destination.country or "here"
            grounds.setdefault(word.verdict.article, {})[place] = None
        said = ", ".join(f"{' '.join(places)}: {article}" for article, places in grounds.items())
        assumed = f"; {each.reach.source}" if each.reach.assumed else ""
        parts.append(f"`{each.upstream}` ({said}{assumed})")
    data = ", ".join(facts.jurisdictions)
    return Reason(ReasonCode.TRANSFER_ALLOWED, f"data of {data} may go to {'; '.join(parts)}", "residency")


def day_of(now_ns: int) -> datetime:
    """Return the moment as a UTC time; exact to the second, which is enough for days."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=now_ns // 1_000_000_000)
