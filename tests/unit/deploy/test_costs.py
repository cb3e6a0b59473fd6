"""What there is costs, and nothing that costs money drops out of the estimate unnoticed."""

import json
import re
from pathlib import Path

import pytest

from keepstone.catalog.fixed_prices import Paid, fixed_prices
from keepstone.deploy.costs import READERS, estimate

MODULE = Path(__file__).parents[3] / "src" / "keepstone" / "deploy" / "module"


def plan(*resources, module="module.x"):
    inner = [{"mode": "managed", "type": kind, "values": values} for kind, values in resources]
    root = {"child_modules": [{"address": module, "resources": inner}]}
    return {"format_version": "1.2", "planned_values": {"root_module": root}}


def amounts(*resources):
    found = estimate(plan(*resources))
    assert not found.unpriced, found.unpriced
    return {each.what.split(" (")[0].split(",")[0]: each.amount for each in found.costs}


def types_of_the_module() -> set[str]:
    texts = [each.read_text() for each in MODULE.rglob("*.tf")]
    return {kind for text in texts for kind in re.findall(r'^resource "(\w+)"', text, re.MULTILINE)}


def test_every_type_of_the_module_is_priced_or_free_or_by_use_or_unknown() -> None:
    types = types_of_the_module()
    assert len(types) > 60
    assert sorted(types ^ fixed_prices().types.keys()) == []


def test_what_has_fixed_costs_is_read_and_nothing_else() -> None:
    fixed = {kind for kind, each in fixed_prices().types.items() if each.paid is Paid.FIXED}
    assert READERS.keys() == fixed


def test_what_is_not_fixed_says_what_is_paid() -> None:
    silent = [
        kind
        for kind, each in fixed_prices().types.items()
        if each.paid in (Paid.BY_USE, Paid.UNKNOWN) and not each.note
    ]
    assert silent == []


METRIC = {"metric": [{"metric_name": "a", "period": 300}]}
BAND = {"expression": "ANOMALY_DETECTION_BAND(a, 2)", "metric": []}
FAST = {"metric": [{"metric_name": "a", "period": 10}]}
TASK = {"family": "gw-a", "cpu": "2048", "memory": "4096"}
SERVICE = {"name": "gw-a", "launch_type": "FARGATE", "desired_count": 1}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (
            [("aws_vpc_endpoint", {"vpc_endpoint_type": "Interface", "subnet_ids": ["a", "b"]})],
            {"interface endpoint": 14.6},
        ),
        ([("aws_vpc_endpoint", {"vpc_endpoint_type": "Gateway"})], {}),
        ([("aws_vpc_endpoint", {})], {}),
        ([("aws_kms_key", {}), ("aws_kms_alias", {})], {"customer-managed key": 1.0}),
        ([("aws_cloudwatch_metric_alarm", {"metric_name": "a", "period": 300})], {"alarm": 0.1}),
        (
            [("aws_cloudwatch_metric_alarm", {"metric_query": [METRIC, METRIC, {"expression": "a+b"}]})],
            {"alarm": 0.2},
        ),
        ([("aws_cloudwatch_metric_alarm", {"metric_query": [METRIC, BAND]})], {"alarm on an anomaly": 0.3}),
        (
            [("aws_cloudwatch_metric_alarm", {"metric_query": [METRIC, METRIC, BAND]})],
            {"alarm on an anomaly": 0.3, "alarm": 0.1},
        ),
        (
            [("aws_cloudwatch_metric_alarm", {"metric_name": "a", "period": 10})],
            {"alarm with a period below a minute": 0.3},
        ),
        (
            [("aws_cloudwatch_metric_alarm", {"metric_query": [FAST, BAND]})],
            {"alarm with a period below a minute": 0.9},
        ),
        ([("aws_cloudwatch_composite_alarm", {})], {"composite alarm": 0.5}),
        ([("aws_cloudwatch_log_metric_filter", {})], {"metric counted from a log": 0.3}),
        (
            [("aws_wafv2_web_acl", {"rule": [{}, {}, {}, {}]})],
            {"web ACL": 5.0, "rule or managed rule group in a web ACL": 4.0},
        ),
        ([("aws_lb", {"load_balancer_type": "application"})], {"application load balancer": 16.43}),
        (
            [("aws_ecs_service", SERVICE), ("aws_ecs_task_definition", TASK)],
            {"core of Fargate": 59.1, "GB of memory of Fargate": 12.98},
        ),
        ([("aws_ecs_service", SERVICE | {"desired_count": 0})], {}),
        (
            [
                ("aws_ecs_service", SERVICE | {"desired_count": 2}),
                (
                    "aws_ecs_task_definition",
                    TASK
                    | {"cpu": "256", "memory": "512", "runtime_platform": [{"cpu_architecture": "ARM64"}]},
                ),
            ],
            {"core of Fargate": 11.82, "GB of memory of Fargate": 2.6},
        ),
        (
            [
                (
                    "aws_rds_cluster",
                    {
                        "manage_master_user_password": True,
                        "serverlessv2_scaling_configuration": [{"min_capacity": 0.5}],
                    },
                ),
                ("aws_rds_cluster_instance", {"instance_class": "db.serverless"}),
                ("aws_rds_cluster_instance", {"instance_class": "db.serverless"}),
            ],
            {"secret": 0.4, "capacity unit of Aurora Serverless v2": 87.6},
        ),
        (
            [
                (
                    "aws_elasticache_replication_group",
                    {"engine": "valkey", "node_type": "cache.t4g.small", "num_cache_clusters": 2},
                )
            ],
            {"node of Valkey": 37.38},
        ),
        ([("aws_budgets_budget", {}), ("aws_iam_role", {}), ("aws_s3_bucket", {})], {}),
    ],
)
def test_what_there_is_costs(resources, expected) -> None:
    assert amounts(*resources) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("resource", "why"),
    [
        (("aws_instance", {}), "no price of this type"),
        (("aws_vpc_endpoint", {"vpc_endpoint_type": "Interface"}), "known after apply"),
        (("aws_vpc_endpoint", {"vpc_endpoint_type": "Resource"}), "`Resource`"),
        (("aws_lb", {"load_balancer_type": "gateway"}), "`gateway`"),
        (("aws_ecs_cluster", {}), "Container Insights"),
        (("aws_ecs_service", {"launch_type": "EC2"}), "Fargate"),
        (("aws_ecs_service", SERVICE), "how large"),
        (("aws_ecs_service", {"name": "gw-a", "launch_type": "FARGATE"}), "how many run"),
        (("aws_rds_cluster_instance", {"instance_class": "db.r6g.large"}), "`db.r6g.large`"),
        (("aws_rds_cluster_instance", {"instance_class": "db.serverless"}), "least capacity"),
        (
            (
                "aws_elasticache_replication_group",
                {"engine": "valkey", "node_type": "cache.x", "num_cache_clusters": 2},
            ),
            "`valkey cache.x`",
        ),
        (
            ("aws_cloudwatch_metric_alarm", {"metric_query": [{"expression": "select max(a) from b"}]}),
            "a query",
        ),
    ],
)
def test_what_has_no_price_here_is_named(resource, why) -> None:
    found = estimate(plan(resource))
    assert found.costs == ()
    (unpriced,) = found.unpriced
    assert (unpriced.type, unpriced.count) == (resource[0], 1)
    assert why in unpriced.why


def test_the_same_gap_is_told_once() -> None:
    (found,) = estimate(plan(("aws_instance", {}), ("aws_instance", {}))).unpriced
    assert found.count == 2


def test_sizes_of_another_module_are_not_taken() -> None:
    document = plan(("aws_rds_cluster_instance", {"instance_class": "db.serverless"}))
    other = plan(
        ("aws_rds_cluster", {"serverlessv2_scaling_configuration": [{"min_capacity": 4}]}), module="module.y"
    )
    children = document["planned_values"]["root_module"]["child_modules"]
    children += other["planned_values"]["root_module"]["child_modules"]
    assert len(estimate(json.loads(json.dumps(document))).unpriced) == 1
