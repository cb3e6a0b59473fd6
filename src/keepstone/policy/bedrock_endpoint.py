"""Where an upstream may be: only the policy says so, and it must make sense.

A call to an AWS service is encrypted unless it stays on this machine, is signed for the region that its
endpoint is in, and never goes to an address that only this machine's own metadata service has.
"""

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from keepstone.policy.duration import parse_duration
from keepstone.policy.problems import Fault, Path, Severity
from keepstone.policy.schema.upstreams import AssumeRole, BedrockUpstream

SHORTEST_ROLE, LONGEST_ROLE = "15m", "12h"
_REGION_IN_HOST = re.compile(
    r"(?:^|\.)(?:bedrock|bedrock-runtime|sts|kms)(?:-fips)?\.([a-z0-9-]+)\.(?:vpce\.)?amazonaws\.com(?:\.cn)?$"
)


def bedrock_faults(upstream: BedrockUpstream, path: Path) -> Iterator[Fault]:
    """Yield what is wrong with the way to Bedrock."""
    yield from aws_url_faults(upstream.endpoint_url, upstream.region, (*path, "endpoint_url"))
    yield from aws_url_faults(upstream.control_endpoint_url, upstream.region, (*path, "control_endpoint_url"))
    if upstream.fips and upstream.endpoint_url:
        message = "`fips` and `endpoint_url` exclude each other"
        yield Fault((*path, "fips"), message, "name the FIPS endpoint in `endpoint_url`")
    if upstream.bearer_token is not None:
        for name in ("profile", "assume_role"):
            if getattr(upstream, name):
                yield Fault((*path, name), f"`{name}` and `bearer_token` exclude each other")
    if upstream.assume_role is not None:
        yield from _role_faults(upstream.assume_role, upstream.region, (*path, "assume_role"))


def _role_faults(role: AssumeRole, region: str, path: Path) -> Iterator[Fault]:
    duration = parse_duration(role.duration)
    if not parse_duration(SHORTEST_ROLE) <= duration <= parse_duration(LONGEST_ROLE):
        message = f"expected `{SHORTEST_ROLE}` to `{LONGEST_ROLE}`, got `{role.duration}`"
        yield Fault((*path, "duration"), message)
    yield from aws_url_faults(role.sts_endpoint_url, region, (*path, "sts_endpoint_url"))


def aws_url_faults(url: str, region: str, path: Path) -> Iterator[Fault]:
    """Yield what is wrong with the URL of an AWS service."""
    faults = list(url_faults(url, path))
    for fault in faults:
        unencrypted = fault.severity is Severity.WARNING
        yield Fault(path, fault.message, fault.hint) if unencrypted else fault
    if not url or faults:
        return
    found = _REGION_IN_HOST.search((urlsplit(url).hostname or "").lower())
    if found and found[1] != region:
        message = f"the endpoint is in `{found[1]}`, the `region` is `{region}`"
        yield Fault(path, message, "AWS refuses a signature for another region")


def url_faults(url: str, path: Path) -> Iterator[Fault]:
    """Yield what is wrong with an upstream's URL; that it is not encrypted is a warning."""
    if not url:
        return
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        yield Fault(path, "not a URL: its host or port cannot be read")
        return
    if not host or any(char.isspace() for char in url):
        yield Fault(path, "not a URL: expected `https://host/path`")
    elif parts.query or parts.fragment or parts.username is not None:
        yield Fault(path, "expected a URL without user, query and fragment")
    elif _is_link_local(host):
        yield Fault(path, "this address belongs to a machine's own metadata service", "name a host")
    elif parts.scheme == "http" and not _is_loopback(host):
        message = "calls leave this machine unencrypted"
        yield Fault(path, message, "use `https://`", Severity.WARNING)


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _is_link_local(host: str) -> bool:
    address = _address(host)
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    return address is not None and (address.is_link_local or str(address) == "fd00:ec2::254")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
