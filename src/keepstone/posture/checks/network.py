"""Network: who is let in to the endpoints, and whether the traffic is on record."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import NamedTuple

from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Account, Reading
from keepstone.posture.registry import check
from keepstone.posture.snapshot import Resource, Snapshot
from keepstone.posture.values import NotKnown, Unknown, Value, known, some
from keepstone.posture.verdict import Opinion, failed, not_applicable, passed, require

_WIDEST = {4: 16, 6: 48}
_SHOWN = 12


@check("KS-NET-001", of=Kind.INGRESS)
def nobody_comes_in_from_everywhere(rule: Reading) -> Opinion:
    """No rule, nor the rules of its group together, let in every address or half of them."""
    ranges = rule["ranges"]
    if some(ranges, lambda each: _network(each).prefixlen <= 1):
        return failed("every address is let in, or half of them")
    if not some(ranges, _is_wide):
        return passed()
    group = rule.account.snapshot.once(_groups).of(rule.resource)
    if not group.covers_half():
        return passed()
    group.read(rule.account)
    return failed("its group lets in every address, or half of them")


def _network(text: Value) -> IPv4Network | IPv6Network:
    """Return a range as it counts, however it is written; raise `NotKnown` for what is none."""
    try:
        return ip_network(known(text), strict=False)
    except ValueError:
        raise NotKnown(f"`{text}` is no range of addresses") from None


class _Group:
    """The rules of one security group; what they let in together is worked out once."""

    def __init__(self) -> None:
        self.rules: list[Resource] = []
        self._covers: bool | NotKnown | None = None

    def covers_half(self) -> bool:
        """Say whether the rules together let in half of all addresses; raise `NotKnown` for a gap."""
        if self._covers is None:
            ranges = (each for rule in self.rules for each in known(rule.value("ranges")))
            try:
                self._covers = _cover_half(map(_network, ranges))
            except NotKnown as error:
                self._covers = error
        if isinstance(self._covers, NotKnown):
            raise NotKnown(str(self._covers))
        return self._covers

    def read(self, account: Account) -> None:
        """Make the ranges of the rules evidence."""
        for each in self.rules[:_SHOWN]:
            Reading(each, account).raw("ranges")


class _Groups:
    """All groups by what they are told from each other by."""

    def __init__(self) -> None:
        self.doubt = ""
        self._found: dict[tuple[str, ...], _Group] = {}

    def add(self, rule: Resource) -> None:
        """Take a rule in; one of which it is not known whose it is leaves all in doubt."""
        try:
            self._found.setdefault(_named(rule.value("group")), _Group()).rules.append(rule)
        except NotKnown as error:
            self.doubt = self.doubt or str(error)

    def of(self, rule: Resource) -> _Group:
        """Return the group of a rule; raise `NotKnown` where more rules may be in it."""
        if self.doubt:
            raise NotKnown(self.doubt)
        return self._found[_named(rule.value("group"))]


def _groups(snapshot: Snapshot) -> _Groups:
    found = _Groups()
    for each in snapshot.of(Kind.INGRESS):
        found.add(each)
    return found


def _named(group: Value) -> tuple[str, ...]:
    """Return by what the group of a rule is told from others."""
    if not isinstance(group, Unknown):
        return (str(group),)
    if not group.sources:
        raise NotKnown(group.reason)
    return group.sources


def _cover_half(networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Say whether they are half of IPv4, or of what IPv6 gives out: `2000::/3`."""
    found = list(networks)
    v4 = collapse_addresses(each for each in found if isinstance(each, IPv4Network))
    v6 = collapse_addresses(each for each in found if isinstance(each, IPv6Network))
    return sum(each.num_addresses for each in v4) >= 2**31 or sum(each.num_addresses for each in v6) >= 2**124


@check("KS-NET-002", of=Kind.INGRESS)
def ranges_are_narrow(rule: Reading) -> Opinion:
    """No range is wider than /16, or /48 of IPv6."""
    wide = some(rule["ranges"], _is_wide)
    return require(not wide, "a range is wider than `/16`: segments hardly are apart")


def _is_wide(text: Value) -> bool:
    network = _network(text)
    return network.prefixlen < _WIDEST[network.version]


@check("KS-NET-003", of=Kind.INGRESS)
def ranges_are_written_as_read(rule: Reading) -> Opinion:
    """No range has host bits, which EC2 cuts off."""
    odd = [each for each in rule["ranges"] if str(_network(each)) != each]
    return require(not odd, f"EC2 reads `{odd[0] if odd else ''}` as a wider range")


@check("KS-NET-004", of=Kind.INGRESS)
def endpoints_take_https_only(rule: Reading) -> Opinion:
    """A rule of an endpoint's security group lets in HTTPS only."""
    if rule["protocol"] == "tcp" and rule["from_port"] == rule["to_port"] == 443:
        return passed()
    groups = rule.account.snapshot.candidates(Kind.SECURITY_GROUP, rule.raw("group"))
    uses = rule.account.snapshot.once(_uses)
    by = [use for each in groups for use in uses.of.get(each.address, ())]
    certain = [each.endpoint for each in by if each.certain and len(groups) == 1]
    if certain:
        Reading(certain[0], rule.account).raw("security_groups")
        return failed(f"`{certain[0].address}` is reached by more than port 443")
    if by or uses.doubt:
        raise NotKnown("whether the group is an endpoint's is known after apply")
    return not_applicable("its group is no endpoint's")


class _Use(NamedTuple):
    """An endpoint that has a group, for certain or perhaps."""

    endpoint: Resource
    certain: bool


class _Uses(NamedTuple):
    """The endpoints by the group that they have; `doubt` where one may have any."""

    of: Mapping[str, Sequence[_Use]]
    doubt: bool


def _uses(snapshot: Snapshot) -> _Uses:
    found: dict[str, list[_Use]] = {}
    doubt = False
    for endpoint in snapshot.of(Kind.ENDPOINT):
        groups = endpoint.value("security_groups")
        for each in groups if isinstance(groups, tuple) else (groups,):
            try:
                meant = () if each is None else snapshot.candidates(Kind.SECURITY_GROUP, each)
            except NotKnown:
                doubt = True
                continue
            for group in meant:
                found.setdefault(group.address, []).append(_Use(endpoint, len(meant) == 1))
    return _Uses(found, doubt)


@check("KS-NET-005", of=Kind.FLOW_LOG)
def flow_log_records_all_traffic(flow: Reading) -> Opinion:
    """Refused and accepted traffic is on record."""
    found = flow["traffic"]
    return require(found in ("ALL", None), f"only `{found}` traffic is recorded")


@check("KS-NET-006", of=Kind.FLOW_LOG)
def flow_log_goes_somewhere(flow: Reading) -> Opinion:
    """The flow log has a destination."""
    return require(flow.is_set("destination"), "it has no destination")
