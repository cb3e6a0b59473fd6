"""What a well-formed `record` gets wrong about the places outside that keep copies and anchors."""

from collections.abc import Callable, Iterator

from keepstone.policy.bedrock_endpoint import aws_url_faults, url_faults
from keepstone.policy.duration import parse_duration
from keepstone.policy.problems import Fault, Path
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.record import S3Anchor, S3Store, WitnessAnchor
from keepstone.policy.semantics.references import warning

_LONGEST_INTERVAL = "1d"


def _copies_are_sound(policy: Policy) -> Iterator[Fault]:
    record = policy.record
    places: list[tuple[Path, S3Store | S3Anchor]] = []
    if record.store is not None:
        places.append((("record", "store"), record.store))
        yield from _interval(("record", "store", "interval"), record.store.interval)
    yield from _interval(("record", "anchor_every"), record.anchor_every)
    for number, anchor in enumerate(record.anchors):
        path: Path = ("record", "anchors", number)
        if isinstance(anchor, S3Anchor):
            places.append((path, anchor))
        elif isinstance(anchor, WitnessAnchor):
            yield from url_faults(anchor.url, (*path, "url"))
    for path, place in places:
        yield from aws_url_faults(place.endpoint_url, place.region, (*path, "endpoint_url"))
        if place.lock_days is not None and place.lock_days < policy.retention.ledger_days:
            message = "what lies there can be deleted before `retention.ledger_days` are over"
            yield warning((*path, "lock_days"), message)
    if len({(place.bucket, place.prefix) for _, place in places}) < len(places):
        message = "two places are one bucket and prefix: an anchor that can go with the copy anchors nothing"
        yield Fault(("record", "anchors"), message)


def _interval(path: Path, interval: str) -> Iterator[Fault]:
    if parse_duration(interval) > parse_duration(_LONGEST_INTERVAL):
        yield Fault(path, f"expected at most `{_LONGEST_INTERVAL}`, got `{interval}`")


COPY_CHECKS: tuple[Callable[[Policy], Iterator[Fault]], ...] = (_copies_are_sound,)
