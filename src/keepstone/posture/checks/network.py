"""Network: who is let in to the endpoints, and whether the traffic is on record."""

from ipaddress import ip_network

from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Reading
from keepstone.posture.registry import check
from keepstone.posture.values import NotKnown, known, some
from keepstone.posture.verdict import Opinion, failed, not_applicable, passed, require

_WIDEST = {4: 16, 6: 48}


@check("KS-NET-001", of=Kind.INGRESS)
def nobody_comes_in_from_everywhere(rule: Reading) -> Opinion:
    """No rule lets in every address."""
    open_ones = some(rule["ranges"], lambda each: known(each) in ("0.0.0.0/0", "::/0"))
    return require(not open_ones, "every address is let in")


@check("KS-NET-002", of=Kind.INGRESS)
def ranges_are_narrow(rule: Reading) -> Opinion:
    """No range is wider than /16, or /48 of IPv6."""
    wide = some(rule["ranges"], _is_wide)
    return require(not wide, "a range is wider than `/16`: segments hardly are apart")


def _is_wide(text: str) -> bool:
    network = ip_network(known(text), strict=False)
    return network.prefixlen < _WIDEST[network.version]


@check("KS-NET-003", of=Kind.INGRESS)
def ranges_are_written_as_read(rule: Reading) -> Opinion:
    """No range has host bits, which EC2 cuts off."""
    odd = [each for each in rule["ranges"] if str(ip_network(known(each), strict=False)) != each]
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
