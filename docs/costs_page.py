"""The page of costs: the catalogue's prices, plans of real Terraform, the estimate of `keepstone deploy`.

Prose and assumptions stand here; every figure is computed.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from keepstone.catalog.fixed_prices import Paid, fixed_prices
from keepstone.deploy.costs import Estimate, estimate

PLANS = Path(__file__).parent / "plans"
HEAD = """# What it costs

What the environment costs each month when nothing is called, which switch turns each part off, and what
calls add. In US dollars, by list prices of {region}, for a month of 730 hours. The tables come from the
price table and the code that `keepstone deploy plan` estimates with, over plans that Terraform itself made.

It is a first estimate, not a bill. The prices were written down by hand on {day} from what AWS publishes,
[each with its source](#the-prices); look up those that matter to you. Free tiers, discounts, taxes and
support are not in it, and other regions are mostly a few percent dearer. What yours costs, your own plan
says: `keepstone deploy plan`.

"""
EXAMPLES = """## The environment

With the module's defaults in two zones, which is the Quick Start of the solution whose interface the module
has. The Advanced example of that one sets thresholds and names, which cost nothing, so it comes to the
same.

"""
LEAST = """
With every switch off there remain the runtime's endpoint, the key, the roles, the log group and the bucket:
**{least} USD a month**. Nobody watches then.

Each further zone adds {zone} USD: {endpoints} endpoints, {each} USD each. The key is rotated every year;
its first and its second rotation make it 1 USD a month dearer each.

## What turns each part off

Variables of the module, set under `deployment.variables`.

"""
SWITCHES: Sequence[tuple[str, str, str]] = (
    ("endpoint of the control plane", "endpoint-zone", "`enable_bedrock_management_endpoint`"),
    ("endpoint of the models", "endpoint-zone", "`enable_bedrock_runtime_endpoint`"),
    (
        "endpoints of agents",
        "endpoint-zone",
        "`enable_bedrock_agent_endpoint`, `enable_bedrock_agent_runtime_endpoint`",
    ),
    ("endpoint of mantle", "endpoint-zone", "`enable_bedrock_mantle_endpoint`"),
    ("endpoints of logs, monitoring, KMS, STS", "endpoint-zone", "`enable_support_endpoints`, all four"),
    ("any endpoint that the VPC has", "endpoint-zone", "`existing_endpoint_ids`"),
    ("one zone of all endpoints", "", "fewer `subnet_ids`; with one only, all is out of reach when it fails"),
    ("the key", "key", "nothing: logs and guardrail are always encrypted with it"),
    ("all alarms and topics", "", "`enable_alerting`"),
    (
        "alarms on thresholds",
        "alarm-metric",
        "`enable_agents_monitoring`, `enable_knowledge_base_monitoring`, `enable_guardrails_monitoring`",
    ),
    ("alarm on the month's tokens", "alarm-metric", "`enable_token_budget_monitoring`"),
    ("alarm on customisation jobs, and its count", "counted-metric", "`enable_training_monitoring`"),
    (
        "alarms on anomalies",
        "anomaly-alarm",
        (
            "`enable_anomaly_detection`, or one by one `enable_cost_alerting`, `enable_token_monitoring`, "
            "`enable_api_call_monitoring`, `enable_token_anomaly_detection`"
        ),
    ),
    (
        "composite alarms",
        "composite-alarm",
        "`enable_composite_alarms`, `enable_comprehensive_health_monitoring`",
    ),
    ("the dashboard", "dashboard", "`enable_dashboard`; an account's first three are free"),
    ("the trail, and its count of calls", "counted-metric", "`enable_cloudtrail`; its events by use"),
    ("the budget", "", "free; `enable_budget_monitoring`"),
    ("the monitor of unusual cost", "", "free; `enable_budget_anomaly_detection`"),
    ("Config rules", "", "by use, and off unless `enable_config_rules`"),
    (
        "the log of invocations",
        "",
        (
            "by use; `enable_model_invocation_logging`, or one of `enable_cloudwatch_logging` and "
            "`enable_s3_logging`; how long: `log_retention_days`, `log_expiration_days`"
        ),
    ),
    ("masks in that log", "", "by use; `enable_log_data_protection`"),
    ("flow logs", "", "by use; `enable_flow_logs`, off where the VPC's owner logs already"),
    ("Bedrock's guardrail", "", "by use; `enable_guardrails`"),
)
FREE_SWITCHES = frozenset(
    {"enable_object_lock", "enable_ok_actions", "enable_private_dns", "enable_sns_encryption"}
)
"""Switches that change nothing in what is paid."""
GATEWAY = """
## Where the gateway runs

[On ECS Fargate](deploy-gateway.md), with the submodule's defaults: two machines of two cores and 4 GB,
Aurora and Valkey in two zones. Machines that start under load cost the same while they run.

"""
GATEWAY_LESS = """
The large parts and their variables: machines by `cpu`, `memory`, `architecture` (ARM costs a fifth less),
`machines` (at least two); Aurora by `database_capacity`; Valkey by `rates_node_type`; the firewall by
`enable_waf`. On Kubernetes you pay for your own nodes and volumes instead.

## What calls add

"""
TRAFFIC = """
### A million calls

As an example: each call sends {sent} characters and gets {answered} back, neither images nor documents. The
models are not in it: [budgets](budgets.md).

"""
TRAFFIC_END = """
How it is worked out: bytes are those of request and answer together; a log entry of an invocation holds
both texts and about {envelope} bytes around them; CloudTrail's entry of a call has about {event} bytes;
Bedrock's guardrail counts each text in units of 1,000 characters, rounded up, once for each kind of filter
that is on; the ledger writes at least 4 KB a call. What is logged is kept besides: {kept} USD a month for
this million in CloudWatch, {s3} in S3.

## How to lower it

- **Endpoints are most of it.** Agents and mantle off, where nobody uses them, and the endpoints of KMS,
  STS, logs and monitoring shared with the rest of the VPC (`existing_endpoint_ids`) leave two: {two} USD
  instead of {nine}.
- **Log once.** `enable_cloudwatch_logging: false` keeps the log of invocations in S3 only; alarms go on,
  masks and searches in CloudWatch do not.
- **One guardrail or two.** The gateway inspects by itself, on its own machines. Bedrock's own guardrail
  beside it (`upstreams.<name>.guardrail`) sees more kinds of content, and is paid for each text.
- **Trials.** `keepstone deploy destroy` in the evening. A key that waits for its deletion costs nothing;
  logs in S3 stay, and are paid.

## What is not in the estimate

Models, data transfer between zones and out of the region, NAT gateways and whatever else your VPC has,
support, and:

"""
NOT_IN = """
Types that a plan has beside the module's, and sizes that are known after apply only, are named under the
estimate, never left out in silence. How each type of the module is paid:

"""
SOURCES = """
## The prices

"""

SENT, ANSWERED = 4_000, 1_300
ENVELOPE, EVENT = 1_500, 1_800
_MILLION = 1_000_000
_GB = 1_000_000_000
_PACKED = 0.15
_GUARDRAIL_UNIT = 1_000


def costs_page() -> str:
    """Return the page."""
    prices = fixed_prices()
    found = {name: _estimate(name) for name in ("quick-start", "advanced", "least", "gateway")}
    quick, least = found["quick-start"], found["least"]
    if quick.costs != found["advanced"].costs:
        raise ValueError("the source's two examples cost no longer the same: say so on the page")
    zones = 2
    each = prices.units["endpoint-zone"].usd_a_month
    endpoints = round(next(row.count for row in quick.costs if row.what.startswith("interface")) / zones)
    parts = [
        HEAD.format(region=prices.region, day=prices.looked_at),
        EXAMPLES,
        _estimated(quick),
        LEAST.format(
            least=_usd(least.monthly), zone=_usd(endpoints * each), endpoints=endpoints, each=_usd(each)
        ),
        _table(("part", "USD a month", "what turns it off"), map(_switch, SWITCHES)),
        GATEWAY,
        _estimated(found["gateway"]),
        GATEWAY_LESS,
        _table(("what", "USD", "for each", "from"), _by_use()),
        TRAFFIC.format(sent=f"{SENT:,}", answered=f"{ANSWERED:,}"),
        _table(("what", "how much", "USD"), _million()),
        _traffic_end(endpoints, zones),
        _table(("not priced", "why"), _unknown(found["gateway"])),
        NOT_IN,
        _table(("paid", "types"), _types()),
        SOURCES,
        _table(("unit", "USD a month", "from"), _units()),
    ]
    return "".join(parts)


def _estimate(name: str) -> Estimate:
    plan: dict[str, Any] = json.loads((PLANS / f"{name}.json").read_bytes())
    return estimate(plan)


def _estimated(found: Estimate) -> str:
    rows = [(each.what, f"{each.count:g}", _usd(each.amount)) for each in found.costs]
    return _table(("what", "count", "USD a month"), [*rows, ("**in all**", "", f"**{_usd(found.monthly)}**")])


def _switch(row: tuple[str, str, str]) -> tuple[str, str, str]:
    what, unit, off = row
    each = {"endpoint-zone": "a zone", "alarm-metric": "a metric"}.get(unit, "each")
    return what, f"{_usd(fixed_prices().units[unit].usd_a_month)} {each}" if unit else "", off


def _by_use() -> Iterable[tuple[str, str, str, str]]:
    for each in fixed_prices().by_use.values():
        yield each.what, f"{each.usd:g}", each.per, each.source


def _million() -> list[tuple[str, str, str]]:
    """Work out a million calls of the example, line by line."""
    price = {name: each.usd for name, each in fixed_prices().by_use.items()}
    traffic, logged, events = (
        _million_gb(SENT + ANSWERED),
        _million_gb(SENT + ANSWERED + ENVELOPE),
        _million_gb(EVENT),
    )
    units = -(-SENT // _GUARDRAIL_UNIT) + -(-ANSWERED // _GUARDRAIL_UNIT)
    rows = [
        ("traffic through the endpoint", f"{traffic:.1f} GB", traffic * price["endpoint-gb"]),
        ("log of invocations, in CloudWatch", f"{logged:.1f} GB", logged * price["log-gb"]),
        ("its masks", f"{logged:.1f} GB", logged * price["log-masked-gb"]),
        ("CloudTrail's entries, in CloudWatch", f"{events:.1f} GB", events * price["log-gb"]),
        (
            "Bedrock's guardrail, where calls go with it: content and personal data",
            f"{units} units a call",
            _MILLION * units / 1_000 * (price["guardrail-content"] + price["guardrail-pii"]),
        ),
        ("the firewall of the gateway", "1 million requests", price["firewall-request"]),
        ("the ledger of the gateway, written", "4.1 GB", _million_gb(4_096) * price["files-written-gb"]),
        (
            "a second copy of CloudTrail's events, where the account has a trail already",
            "1 million events",
            _MILLION / 100_000 * price["trail-copy"],
        ),
    ]
    return [(what, amount, _usd(cost)) for what, amount, cost in rows]


def _traffic_end(endpoints: int, zones: int) -> str:
    price = {name: each.usd for name, each in fixed_prices().by_use.items()}
    each = fixed_prices().units["endpoint-zone"].usd_a_month * zones
    logged = _million_gb(SENT + ANSWERED + ENVELOPE)
    return TRAFFIC_END.format(
        envelope=f"{ENVELOPE:,}",
        event=f"{EVENT:,}",
        kept=_usd(logged * _PACKED * price["log-kept-gb"]),
        s3=_usd(logged * price["s3-gb"]),
        two=_usd(2 * each),
        nine=_usd(endpoints * each),
    )


def _million_gb(size: int) -> float:
    return _MILLION * size / _GB


def _unknown(found: Estimate) -> Iterable[tuple[str, str]]:
    for each in found.unpriced:
        yield f"`{each.type}`", each.why


def _types() -> Iterable[tuple[str, str]]:
    types = fixed_prices().types
    for paid in Paid:
        named = [
            f"`{name}`{f' ({each.note})' if each.note else ''}"
            for name, each in types.items()
            if each.paid is paid
        ]
        yield paid.value, ", ".join(named)


def _units() -> Iterable[tuple[str, str, str]]:
    for each in fixed_prices().units.values():
        yield each.what, f"{each.usd_a_month:.2f}", each.source


def _usd(amount: float) -> str:
    return f"{amount:,.2f}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
