"""States of what a gateway runs on become facts, and what cannot be read stays unknown."""

import json
from datetime import UTC, datetime

import pytest

from keepstone.posture.engine import judged
from keepstone.posture.every import EVERY
from keepstone.posture.kinds import Kind
from keepstone.posture.readers.terraform_document import read
from keepstone.posture.values import Unknown
from keepstone.posture.verdict import Verdict
from tests.unit.posture.documents import change, plan, resource, saved, state

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PASSWORD = {"name": "DB_PASSWORD", "value": "correct horse"}
CONTAINER = {
    "name": "one",
    "image": "busybox",
    "environment": [PASSWORD, {"name": "EMPTY_TOKEN", "value": ""}],
}
BALANCER = "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/a/1"
OPEN = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
TASK = "arn:aws:ecs:us-east-1:1:task-definition"


@pytest.fixture
def facts(tmp_path):
    return lambda document: read(saved(tmp_path, document), NOW)


def verdicts(snapshot, check: str) -> list[Verdict]:
    return [each.verdict for each in judged(snapshot, [EVERY[check]])]


def task(definitions, **more):
    return resource(
        "aws_ecs_task_definition.t", {"container_definitions": definitions, "family": "t", **more}
    )


def test_a_container_is_what_its_definition_says(facts):
    found = facts(state(task(json.dumps([CONTAINER]))))
    (container,) = found.of(Kind.TASK)[0].value("containers")
    assert dict(container) == {
        "name": "one",
        "image": "busybox",
        "user": None,
        "privileged": False,
        "read_only": False,
        "log": None,
        "spoken": ("DB_PASSWORD",),
    }
    for check in ("KS-TSK-001", "KS-TSK-002", "KS-TSK-003", "KS-TSK-005", "KS-TSK-006"):
        assert verdicts(found, check) == [Verdict.FAIL]
    assert "correct horse" not in str(judged(found, EVERY.values()))


@pytest.mark.parametrize("text", ["", "{", "{}", "[1]", "[{}]", '[{"name": "one"}]', "null", "[" * 99999])
def test_definitions_that_cannot_be_read_are_unknown(facts, text):
    found = facts(state(task(text)))
    if text == "{}":
        assert found.of(Kind.TASK)[0].value("containers") == ()
    else:
        assert isinstance(found.of(Kind.TASK)[0].value("containers"), Unknown)
        assert verdicts(found, "KS-TSK-001") == [Verdict.NOT_EVALUATED]


def test_definitions_that_a_plan_does_not_know_are_not_judged(facts):
    found = facts(plan(change("aws_ecs_task_definition.t", {}, {"container_definitions": True})))
    assert verdicts(found, "KS-TSK-002") == [Verdict.NOT_EVALUATED]


@pytest.mark.parametrize(
    ("runs", "verdict"),
    [
        (f"{TASK}/t:3", Verdict.PASS),
        (f"{TASK}/t:4", Verdict.FAIL),
        (f"{TASK}/other:1", Verdict.NOT_EVALUATED),
        ("t", Verdict.PASS),
    ],
)
def test_a_service_runs_what_stands_here_or_another_revision_of_it(facts, runs, verdict):
    document = state(
        task("[]", arn=f"{TASK}/t:3", id="t"), resource("aws_ecs_service.s", {"task_definition": runs})
    )
    assert verdicts(facts(document), "KS-SVC-003") == [verdict]


@pytest.mark.parametrize(
    ("listener", "verdict"),
    [
        ({"protocol": "HTTP", "default_action": [{"redirect": [{"protocol": "HTTPS"}]}]}, Verdict.PASS),
        ({"protocol": "HTTP", "default_action": [{"redirect": []}]}, Verdict.FAIL),
        ({"protocol": "HTTP", "default_action": []}, Verdict.FAIL),
        ({"protocol": "TCP"}, Verdict.NOT_APPLICABLE),
        ({"protocol": "HTTPS", "ssl_policy": "ELBSecurityPolicy-FS-1-2-Res-2020-10"}, Verdict.PASS),
        ({"protocol": "TLS", "ssl_policy": "ELBSecurityPolicy-FS-1-1-2019-08"}, Verdict.FAIL),
    ],
)
def test_a_listener_is_judged_by_its_policy_or_where_it_leads(facts, listener, verdict):
    assert verdicts(facts(state(resource("aws_lb_listener.l", listener))), "KS-LBR-002") == [verdict]


@pytest.mark.parametrize(
    ("others", "verdict"),
    [
        ((), Verdict.FAIL),
        ((resource("aws_wafv2_web_acl_association.w", {"resource_arn": BALANCER}),), Verdict.PASS),
        ((resource("aws_wafv2_web_acl_association.w", {"resource_arn": "arn:other"}),), Verdict.FAIL),
    ],
)
def test_a_firewall_stands_before_the_load_balancer_that_it_names(facts, others, verdict):
    balancer = resource("aws_lb.b", {"arn": BALANCER, "load_balancer_type": "application"})
    assert verdicts(facts(state(balancer, *others)), "KS-LBR-006") == [verdict]


def test_a_load_balancer_that_reads_no_http_needs_no_firewall(facts):
    found = facts(state(resource("aws_lb.b", {"load_balancer_type": "network"})))
    assert verdicts(found, "KS-LBR-006") == [Verdict.PASS]
    assert verdicts(found, "KS-LBR-004") == [Verdict.NOT_APPLICABLE]


@pytest.mark.parametrize(
    ("parameters", "verdict"),
    [
        ([{"name": "rds.force_ssl", "value": "1"}], Verdict.PASS),
        ([{"name": "require_secure_transport", "value": "ON"}], Verdict.PASS),
        ([{"name": "rds.force_ssl", "value": "0"}], Verdict.FAIL),
        ([{"name": "log_connections", "value": "1"}], Verdict.FAIL),
        (None, Verdict.NOT_EVALUATED),
    ],
)
def test_a_database_takes_tls_only_where_its_parameters_say_so(facts, parameters, verdict):
    cluster = resource("aws_rds_cluster.c", {"db_cluster_parameter_group_name": "p"})
    group = {"name": "p", "parameter": parameters}
    others = () if parameters is None else (resource("aws_rds_cluster_parameter_group.p", group),)
    assert verdicts(facts(state(cluster, *others)), "KS-DBS-007") == [verdict]


def test_an_instance_without_a_cluster_is_a_database_and_its_endpoint(facts):
    found = facts(
        state(resource("aws_db_instance.i", {"publicly_accessible": True, "storage_encrypted": True}))
    )
    assert verdicts(found, "KS-DBS-001") == [Verdict.FAIL]
    assert verdicts(found, "KS-DBS-002") == [Verdict.FAIL]
    assert found.of(Kind.DATABASE_ENDPOINT)[0].address == "aws_db_instance.i.endpoint"


@pytest.mark.parametrize(
    ("flag", "verdict"), [("true", Verdict.PASS), ("false", Verdict.FAIL), (None, Verdict.FAIL)]
)
def test_a_cache_tells_its_flags_as_text(facts, flag, verdict):
    cache = {"transit_encryption_enabled": flag, "transit_encryption_mode": "required"}
    found = facts(state(resource("aws_elasticache_replication_group.c", cache)))
    assert verdicts(found, "KS-CCH-002") == [verdict]


def test_a_token_that_is_marked_sensitive_is_not_looked_at(facts):
    cache = resource("aws_elasticache_replication_group.c", {"auth_token": "abc", "user_group_ids": []})
    cache["sensitive_values"] = {"auth_token": True}
    assert verdicts(facts(state(cache)), "KS-CCH-003") == [Verdict.NOT_EVALUATED]


@pytest.mark.parametrize(
    ("others", "policy", "rotated"),
    [
        ((), Verdict.PASS, Verdict.FAIL),
        (
            (
                resource("aws_secretsmanager_secret_rotation.r", {"secret_id": "arn:s"}),
                resource(
                    "aws_secretsmanager_secret_policy.p", {"secret_arn": "arn:s", "policy": json.dumps(OPEN)}
                ),
            ),
            Verdict.FAIL,
            Verdict.PASS,
        ),
    ],
)
def test_a_secret_is_what_stands_beside_it_too(facts, others, policy, rotated):
    found = facts(state(resource("aws_secretsmanager_secret.s", {"arn": "arn:s", "policy": ""}), *others))
    assert verdicts(found, "KS-SEC-003") == [rotated]
    assert verdicts(found, "KS-SEC-004") == [policy]
