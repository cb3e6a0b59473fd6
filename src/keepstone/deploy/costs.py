"""What the resources of a plan cost a month, used or not.

Every type is priced, free, paid by use, or told as not priced with the reason: what costs money never drops
out of the estimate unnoticed. A size that the plan does not tell yet is such a reason.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from keepstone.catalog.fixed_prices import Paid, fixed_prices

Values = Mapping[str, Any]
Units = Iterable[tuple[str, float]]
_ONE_MINUTE = 60
_UNITS_OF_A_CORE = 1024
_MIB_OF_A_GB = 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """What units of one kind cost a month, used or not; `amount` is in US dollars."""

    what: str
    count: float
    amount: float
    source: str


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Resources that cost something which is not in the estimate, and why it is not."""

    type: str
    count: int
    why: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """The fixed costs of what there is after a plan, by the prices of a region on a day."""

    costs: tuple[Cost, ...] = ()
    unpriced: tuple[Unpriced, ...] = ()
    looked_at: str = ""
    region: str = ""

    @property
    def monthly(self) -> float:
        """Return the sum of the fixed costs."""
        return sum(each.amount for each in self.costs)


@dataclass(frozen=True, slots=True)
class _Resource:
    """A resource after the plan: the module it stands in, its type, and what is known of it."""

    module: str
    type: str
    values: Values


class _UnpriceableError(Exception):
    """The plan does not tell a size, or there is no price for it."""


Reader = Callable[[_Resource, Sequence[_Resource]], Units]


def estimate(plan: Values) -> Estimate:
    """Return what there is after a plan costs; `plan` is what `terraform show -json` prints of it."""
    resources = list(_resources(plan["planned_values"].get("root_module", {})))
    counted: dict[str, float] = defaultdict(float)
    unpriced: Counter[tuple[str, str]] = Counter()
    for each in resources:
        try:
            for unit, count in _units(each, resources):
                counted[unit] += count
        except _UnpriceableError as error:
            unpriced[each.type, str(error)] += 1
    prices = fixed_prices()
    return Estimate(
        tuple(
            Cost(price.what, _whole(counted[unit]), round(counted[unit] * price.usd_a_month, 2), price.source)
            for unit, price in prices.units.items()
            if counted.get(unit)
        ),
        tuple(Unpriced(kind, count, why) for (kind, why), count in sorted(unpriced.items())),
        prices.looked_at,
        prices.region,
    )


def _units(resource: _Resource, all_of_them: Sequence[_Resource]) -> Units:
    known = fixed_prices().types.get(resource.type)
    if known is None:
        raise _UnpriceableError("no price of this type is known here")
    if known.paid is Paid.UNKNOWN:
        raise _UnpriceableError(known.note)
    return list(READERS[resource.type](resource, all_of_them)) if known.paid is Paid.FIXED else ()


def _one(unit: str, _resource: _Resource, _all: Sequence[_Resource]) -> Units:
    yield unit, 1


def _endpoint(resource: _Resource, _all: Sequence[_Resource]) -> Units:
    kind = resource.values.get("vpc_endpoint_type") or "Gateway"  # what EC2 makes when nobody says
    if kind == "Gateway":
        return
    if kind != "Interface":
        raise _UnpriceableError(f"an endpoint of kind `{kind}`")
    subnets = resource.values.get("subnet_ids")
    if not subnets:
        raise _UnpriceableError("in how many zones is known after apply")
    yield "endpoint-zone", len(subnets)


def _alarm(resource: _Resource, _all: Sequence[_Resource]) -> Units:
    queries = resource.values.get("metric_query") or ()
    expressions = [each.get("expression") or "" for each in queries]
    if any(each.lstrip().upper().startswith("SELECT") for each in expressions):
        raise _UnpriceableError("an alarm on a query, whose metrics are counted as it runs")
    metrics = [metric for each in queries for metric in each.get("metric") or ()] or [resource.values]
    fast = any((each.get("period") or _ONE_MINUTE) < _ONE_MINUTE for each in metrics)
    anomaly = any("ANOMALY_DETECTION_BAND" in each for each in expressions)
    if fast:
        yield "fast-alarm-metric", len(metrics) + 2 * anomaly
        return
    if anomaly:
        yield "anomaly-alarm", 1
    if len(metrics) > anomaly:
        yield "alarm-metric", len(metrics) - anomaly


def _balancer(resource: _Resource, _all: Sequence[_Resource]) -> Units:
    kind = resource.values.get("load_balancer_type") or "application"
    if kind != "application":
        raise _UnpriceableError(f"a load balancer of kind `{kind}`")
    yield "load-balancer", 1


def _firewall(resource: _Resource, _all: Sequence[_Resource]) -> Units:
    yield "web-acl", 1
    yield "web-acl-rule", len(resource.values.get("rule") or ())


def _service(resource: _Resource, all_of_them: Sequence[_Resource]) -> Units:
    """Yield what a service's tasks take. Our services bear the name of their task's family."""
    values = resource.values
    if values.get("launch_type") != "FARGATE":
        raise _UnpriceableError("a service that does not run on Fargate")
    running = values.get("desired_count")
    if running == 0:
        return
    tasks = (each.values for each in all_of_them if each.type == "aws_ecs_task_definition")
    task = next((each for each in tasks if each.get("family") == values.get("name")), None)
    if running is None or task is None or not task.get("cpu") or not task.get("memory"):
        raise _UnpriceableError("how large its tasks are, or how many run, is not told by the plan")
    arm = any(each.get("cpu_architecture") == "ARM64" for each in task.get("runtime_platform") or ())
    kind = "fargate-arm" if arm else "fargate"
    yield f"{kind}-core", running * int(task["cpu"]) / _UNITS_OF_A_CORE
    yield f"{kind}-gb", running * int(task["memory"]) / _MIB_OF_A_GB


def _database(resource: _Resource, _all: Sequence[_Resource]) -> Units:
    if resource.values.get("manage_master_user_password"):
        yield "secret", 1


def _database_instance(resource: _Resource, all_of_them: Sequence[_Resource]) -> Units:
    """Yield an instance's least capacity. Its cluster is the one of the same module."""
    kind = resource.values.get("instance_class")
    if kind != "db.serverless":
        raise _UnpriceableError(f"an instance of class `{kind}`")
    least = [
        scaling.get("min_capacity")
        for each in all_of_them
        if each.type == "aws_rds_cluster" and each.module == resource.module
        for scaling in each.values.get("serverlessv2_scaling_configuration") or [{}]
    ]
    if len(least) != 1 or least[0] is None:
        raise _UnpriceableError("its least capacity is not told by the plan")
    yield "aurora-unit", least[0]


def _nodes(resource: _Resource, _all: Sequence[_Resource]) -> Units:
    values = resource.values
    unit, count = f"{values.get('engine')} {values.get('node_type')}", values.get("num_cache_clusters")
    if unit not in fixed_prices().units or not count:
        raise _UnpriceableError(f"nodes of `{unit}`, of which no price is known here")
    yield unit, count


READERS: Mapping[str, Reader] = {
    "aws_cloudwatch_composite_alarm": partial(_one, "composite-alarm"),
    "aws_cloudwatch_dashboard": partial(_one, "dashboard"),
    "aws_cloudwatch_log_metric_filter": partial(_one, "counted-metric"),
    "aws_cloudwatch_metric_alarm": _alarm,
    "aws_ecs_service": _service,
    "aws_elasticache_replication_group": _nodes,
    "aws_kms_key": partial(_one, "key"),
    "aws_lb": _balancer,
    "aws_rds_cluster": _database,
    "aws_rds_cluster_instance": _database_instance,
    "aws_secretsmanager_secret": partial(_one, "secret"),
    "aws_vpc_endpoint": _endpoint,
    "aws_wafv2_web_acl": _firewall,
}
"""How many units of which price a resource of a type with fixed costs is."""


def _resources(module: Values, address: str = "") -> Iterator[_Resource]:
    for each in module.get("resources", ()):
        if each.get("mode") == "managed":
            yield _Resource(address, each["type"], each.get("values") or {})
    for child in module.get("child_modules", ()):
        yield from _resources(child, child.get("address", ""))


def _whole(count: float) -> float:
    """Return a count as people write it: `2`, not `2.0`."""
    return int(count) if count == int(count) else count
