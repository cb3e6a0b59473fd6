"""What a gateway runs on: load balancers, listeners, web firewalls, tasks of ECS and their services."""

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from keepstone.posture.kinds import Kind
from keepstone.posture.readers.tree import defaulted, given, pick, rows
from keepstone.posture.readers.world import Raw, World
from keepstone.posture.snapshot import Resource
from keepstone.posture.values import Unknown, Value


def _load_balancer(raw: Raw, _: World) -> Iterator[Resource]:
    tree = raw.values
    yield Resource(
        Kind.LOAD_BALANCER,
        raw.address,
        {
            "type": defaulted(tree, "load_balancer_type", default="application"),
            "internal": pick(tree, "internal"),
            "drops_headers": defaulted(tree, "drop_invalid_header_fields", default=False),
            "protected": defaulted(tree, "enable_deletion_protection", default=False),
            "logged": defaulted(tree, "access_logs.enabled", default=False),
        },
        raw.names(),
    )


def _listener(raw: Raw, _: World) -> Iterator[Resource]:
    tree = raw.values
    yield Resource(
        Kind.LISTENER,
        raw.address,
        {
            "protocol": pick(tree, "protocol"),
            "tls_policy": given(tree, "ssl_policy"),
            "redirects_to": _redirects(rows(tree, "default_action")),
        },
        raw.names(),
    )


def _redirects(actions: Value) -> Value:
    if isinstance(actions, Unknown):
        return actions
    return tuple(pick(each, "redirect.protocol") for each in actions)


def _target_group(raw: Raw, _: World) -> Iterator[Resource]:
    yield Resource(Kind.TARGET_GROUP, raw.address, {"protocol": pick(raw.values, "protocol")}, raw.names())


def _firewall(raw: Raw, _: World) -> Iterator[Resource]:
    yield Resource(Kind.FIREWALL, raw.address, {"before": pick(raw.values, "resource_arn")}, raw.names())


def _task(raw: Raw, _: World) -> Iterator[Resource]:
    tree = raw.values
    yield Resource(
        Kind.TASK,
        raw.address,
        {
            "containers": _containers(pick(tree, "container_definitions")),
            "network_mode": given(tree, "network_mode"),
            "pid_mode": given(tree, "pid_mode"),
            "family": pick(tree, "family"),
            "volumes": _volumes(rows(tree, "volume")),
        },
        raw.names(),
    )


def _containers(text: Value) -> Value:
    """Return what is said of each container of a task; `Unknown` for what is no JSON."""
    if isinstance(text, Unknown):
        return text
    try:
        return tuple(_container(each) for each in json.loads(text))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return Unknown("the container definitions cannot be read")


def _container(said: dict[str, Any]) -> Mapping[str, Value]:
    environment = {each["name"]: each.get("value", "") for each in said.get("environment") or ()}
    return MappingProxyType(
        {
            "name": str(said["name"]),
            "image": str(said["image"]),
            "user": said.get("user") or None,
            "privileged": bool(said.get("privileged")),
            "read_only": bool(said.get("readonlyRootFilesystem")),
            "log": (said.get("logConfiguration") or {}).get("logDriver"),
            "spoken": tuple(sorted(name for name, value in environment.items() if value)),
        }
    )


def _volumes(blocks: Value) -> Value:
    if isinstance(blocks, Unknown):
        return blocks
    found = (pick(each, "efs_volume_configuration") for each in blocks)
    return tuple(
        each
        if isinstance(each, Unknown)
        else MappingProxyType(
            {
                "tls": pick(each, "transit_encryption"),
                "iam": pick(each, "authorization_config.iam"),
            }
        )
        for each in found
        if each is not None and each != ()
    )


def _service(raw: Raw, _: World) -> Iterator[Resource]:
    tree = raw.values
    yield Resource(
        Kind.SERVICE,
        raw.address,
        {
            "public_ip": defaulted(tree, "network_configuration.assign_public_ip", default=False),
            "shell": defaulted(tree, "enable_execute_command", default=False),
            "task": pick(tree, "task_definition"),
        },
        raw.names(),
    )


MAPPERS = {
    "aws_ecs_service": _service,
    "aws_ecs_task_definition": _task,
    "aws_lb": _load_balancer,
    "aws_lb_listener": _listener,
    "aws_lb_target_group": _target_group,
    "aws_wafv2_web_acl_association": _firewall,
}
SATELLITES: tuple[str, ...] = ()
