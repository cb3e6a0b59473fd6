"""Network: who is let in to the endpoints, and whether the traffic is on record."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Reading
from keepstone.posture.registry import check
from keepstone.posture.values import NotKnown, Unknown, Value, known, some
from keepstone.posture.verdict import Opinion, failed, not_applicable, passed, require

_WIDEST = {4: 16, 6: 48}


@check("KS-NET-001", of=Kind.INGRESS)
def nobody_comes_in_from_everywhere(rule: Reading) -> Opinion:
    """No rule, nor the rules of its group together, let in every address or half of them."""
    ranges = rule["ranges"]
    if some(ranges, lambda each: _network(each).prefixlen <= 1):
        return failed("every address is let in, or half of them")
    if not some(ranges, _is_wide):
        return passed()
    return require(not _cover_half(_of_the_group(rule)), "its group lets in every address, or half of them")


def _network(text: Value) -> IPv4Network | IPv6Network:
    """Return a range as it counts, however it is written; raise `NotKnown` for what is none."""
    try:
        return ip_network(known(text), strict=False)
    except ValueError:
        raise NotKnown(f"`{text}` is no range of addresses") from None


def _of_the_group(rule: Reading) -> list[IPv4Network | IPv6Network]:
    group = _named(rule.resource.value("group"))
    rules = [each for each in rule.account.all(Kind.INGRESS) if _named(each.resource.value("group")) == group]
    return [_network(text) for each in rules for text in each["ranges"]]


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
    ours = {each.address for each in groups}
    doubt = len(groups) > 1
    for endpoint in rule.account.all(Kind.ENDPOINT):
        used = _used(endpoint)
        if used is None or (ours & used and (doubt or len(used) > 1)):
            raise NotKnown("whether the group is an endpoint's is known after apply")
        if ours & used:
            return failed(f"`{endpoint.address}` is reached by more than port 443")
    return not_applicable("its group is no endpoint's")


def _used(endpoint: Reading) -> set[str] | None:
    """Return the groups that an endpoint may have; `None` where it could be any."""
    groups = endpoint.raw("security_groups")
    found: set[str] = set()
    for each in groups if isinstance(groups, tuple) else (groups,):
        if each is None:
            continue
        try:
            found |= {one.address for one in endpoint.account.snapshot.candidates(Kind.SECURITY_GROUP, each)}
        except NotKnown:
            return None
    return found


@check("KS-NET-005", of=Kind.FLOW_LOG)
def flow_log_records_all_traffic(flow: Reading) -> Opinion:
    """Refused and accepted traffic is on record."""
    found = flow["traffic"]
    return require(found in ("ALL", None), f"only `{found}` traffic is recorded")


@check("KS-NET-006", of=Kind.FLOW_LOG)
def flow_log_goes_somewhere(flow: Reading) -> Opinion:
    """The flow log has a destination."""
    return require(flow.is_set("destination"), "it has no destination")
