"""Services of ECS on Fargate, whose tasks run at once or not at all; moto has clusters and definitions.

A task starts when everything that Fargate fetches before the container is there: the secret with a value and
the key that is asked for, the log group, the access point and a mount target in the task's zone.
"""

import json
import secrets
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from moto.core.exceptions import ServiceException
from moto.ec2.models import ec2_backends
from moto.ecs.models import ecs_backends
from moto.efs.models import efs_backends
from moto.elbv2.models import elbv2_backends
from moto.logs.models import logs_backends
from moto.secretsmanager.models import secretsmanager_backends
from werkzeug.exceptions import HTTPException

from tests.simulators.aws.operations import (
    ACCOUNT,
    Asked,
    NotOursError,
    Refused,
    Tagged,
    Told,
    answers,
)

_CHANGEABLE = (
    "availabilityZoneRebalancing",
    "deploymentConfiguration",
    "desiredCount",
    "enableECSManagedTags",
    "enableExecuteCommand",
    "healthCheckGracePeriodSeconds",
    "loadBalancers",
    "networkConfiguration",
    "platformVersion",
    "propagateTags",
    "taskDefinition",
)
_CIRCUIT = {"enable": False, "rollback": False}


class EcsServices(Tagged):
    """The services of one region."""

    service = "ecs"

    def __init__(self, region: str) -> None:
        super().__init__(region)

    @answers("CreateService")
    def create(self, asked: Asked) -> Told:
        cluster, name = self._cluster(asked), asked["serviceName"]
        before = self._services.get(f"{cluster.name}:{name}")
        if before is not None and before["status"] == "ACTIVE":
            raise _invalid("Creation of service was not idempotent.")
        arn = f"arn:aws:ecs:{self.region}:{ACCOUNT}:service/{cluster.name}/{name}"
        made = _with_defaults(asked) | {
            "serviceArn": arn,
            "serviceName": name,
            "clusterArn": cluster.arn,
            "status": "ACTIVE",
            "createdAt": datetime.now(UTC),
            "createdBy": f"arn:aws:iam::{ACCOUNT}:root",
            "schedulingStrategy": asked.get("schedulingStrategy", "REPLICA"),
        }
        self._check(made)
        self._services[f"{cluster.name}:{name}"] = made
        self._tags.add(arn, asked.get("tags", []))
        return self._deployed(made)

    @answers("UpdateService")
    def update(self, asked: Asked) -> Told:
        kept = self._found(asked)
        if kept["status"] != "ACTIVE":
            raise Refused("ServiceNotActiveException", "Service was not ACTIVE.")
        changed = {name: deepcopy(asked[name]) for name in _CHANGEABLE if name in asked}
        wanted = kept | changed
        wanted["deploymentConfiguration"] = kept["deploymentConfiguration"] | changed.get(
            "deploymentConfiguration", {}
        )
        self._check(wanted)
        kept.update(wanted)
        return self._deployed(kept)

    @answers("DescribeServices")
    def describe(self, asked: Asked) -> Told:
        cluster = self._cluster(asked)
        found, missing = [], []
        for wanted in asked["services"]:
            service = self._services.get(f"{cluster.name}:{wanted.rpartition('/')[2]}")
            if service is None:
                missing.append({"arn": wanted, "reason": "MISSING"})
            else:
                found.append(self._told(service, tags="TAGS" in asked.get("include", [])))
        return {"services": found, "failures": missing}

    @answers("ListServices")
    def listed(self, asked: Asked) -> Told:
        return {"serviceArns": self._active(self._cluster(asked).name)}

    @answers("DeleteService")
    def delete(self, asked: Asked) -> Told:
        service = self._found(asked)
        if service["desiredCount"] and not asked.get("force"):
            raise _invalid("The service cannot be stopped while it is scaled above 0.")
        service.update(status="INACTIVE", desiredCount=0, runningCount=0, deployments=[])
        return {"service": self._told(service)}

    @answers("DeleteCluster")
    def delete_cluster(self, asked: Asked) -> Told:
        if self._active(self._cluster(asked).name):
            raise Refused(
                "ClusterContainsServicesException",
                "The Cluster cannot be deleted while Services are active.",
            )
        raise NotOursError

    @property
    def _services(self) -> dict[str, dict[str, Any]]:
        """Return the services where moto has its own, for what else of moto asks whether there is one."""
        found: dict[str, dict[str, Any]] = ecs_backends[ACCOUNT][self.region].services  # type: ignore[assignment]
        return found

    def _active(self, cluster: str) -> list[str]:
        return [
            each["serviceArn"]
            for key, each in self._services.items()
            if key.startswith(f"{cluster}:") and each["status"] == "ACTIVE"
        ]

    def _cluster(self, asked: Asked) -> Any:
        name = asked.get("cluster", "default").rpartition("/")[2]
        found: Any = ecs_backends[ACCOUNT][self.region].clusters.get(name)
        if found is None or found.status != "ACTIVE":
            raise Refused("ClusterNotFoundException", "Cluster not found.")
        return found

    def _found(self, asked: Asked) -> dict[str, Any]:
        name = asked["service"].rpartition("/")[2]
        service = self._services.get(f"{self._cluster(asked).name}:{name}")
        if service is None:
            raise Refused("ServiceNotFoundException", "Service not found.")
        return service

    def _tagged(self, asked: Asked) -> str:
        arn = str(asked["resourceArn"])
        if ":service/" not in arn:
            raise NotOursError
        if arn not in self._tags:
            raise _invalid("The specified service was not found.")
        return arn

    def _check(self, service: dict[str, Any]) -> None:
        task = self._task(service)
        network = service["networkConfiguration"]["awsvpcConfiguration"]
        _known_places(self.region, network)
        for each in service["loadBalancers"]:
            _check_target(self.region, each, task)

    def _task(self, service: dict[str, Any]) -> Any:
        try:
            task: Any = ecs_backends[ACCOUNT][self.region].describe_task_definition(service["taskDefinition"])
        except ServiceException as error:
            raise Refused("ClientException", "TaskDefinition not found.") from error
        if task.status != "ACTIVE":
            raise Refused("ClientException", "TaskDefinition is inactive.")
        if service["launchType"] == "FARGATE" and "FARGATE" not in task.compatibilities:
            raise _invalid("Task definition does not support launch_type FARGATE.")
        service["taskDefinition"] = task.arn
        return task

    def _deployed(self, service: dict[str, Any]) -> Told:
        """Start or stop tasks, and tell the service as it is then."""
        now, task = datetime.now(UTC), self._task(service)
        reason = _reason_not_to_start(self.region, task, service) if service["desiredCount"] else ""
        running = 0 if reason else service["desiredCount"]
        identity = f"ecs-svc/{secrets.randbelow(10**19):019d}"
        state = "FAILED" if reason else "COMPLETED"
        service["runningCount"] = running
        service["deployments"] = [
            {
                "id": identity,
                "status": "PRIMARY",
                "taskDefinition": service["taskDefinition"],
                "desiredCount": service["desiredCount"],
                "pendingCount": 0,
                "runningCount": running,
                "failedTasks": 3 if reason else 0,
                "createdAt": now,
                "updatedAt": now,
                "launchType": service["launchType"],
                "platformVersion": "1.4.0",
                "platformFamily": "Linux",
                "networkConfiguration": service["networkConfiguration"],
                "rolloutState": state,
                "rolloutStateReason": f"ECS deployment {identity} {state.lower()}{reason and ': ' + reason}.",
            }
        ]
        message = f"(service {service['serviceName']}) {reason or 'has reached a steady state.'}"
        service["events"] = [{"id": secrets.token_hex(16), "createdAt": now, "message": message}]
        return {"service": self._told(service)}

    def _told(self, service: dict[str, Any], *, tags: bool = True) -> dict[str, Any]:
        told = deepcopy(service) | {"pendingCount": 0}
        return told | {"tags": self._tags.of(service["serviceArn"])} if tags else told


def _with_defaults(asked: Asked) -> dict[str, Any]:
    """What a service is made of, as ECS completes it."""
    if "networkConfiguration" not in asked:
        raise _invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    if "healthCheckGracePeriodSeconds" in asked and not asked.get("loadBalancers"):
        raise _invalid(
            "Health check grace period is only valid for services configured to use load balancers."
        )
    rolling = {"maximumPercent": 200, "minimumHealthyPercent": 100, "deploymentCircuitBreaker": _CIRCUIT}
    network = {"awsvpcConfiguration": {"securityGroups": [], "assignPublicIp": "DISABLED"}}
    network["awsvpcConfiguration"] |= asked["networkConfiguration"].get("awsvpcConfiguration", {})
    optional = ("healthCheckGracePeriodSeconds",)
    return {
        "loadBalancers": deepcopy(asked.get("loadBalancers", [])),
        "serviceRegistries": [],
        "desiredCount": asked.get("desiredCount", 0),
        "launchType": asked.get("launchType", "EC2"),
        "platformVersion": asked.get("platformVersion", "LATEST"),
        "platformFamily": "Linux",
        "taskDefinition": asked["taskDefinition"],
        "deploymentConfiguration": rolling | deepcopy(asked.get("deploymentConfiguration", {})),
        "deploymentController": {"type": "ECS"},
        "roleArn": f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
        "placementConstraints": [],
        "placementStrategy": [],
        "networkConfiguration": network,
        "enableECSManagedTags": asked.get("enableECSManagedTags", False),
        "propagateTags": asked.get("propagateTags", "NONE"),
        "enableExecuteCommand": asked.get("enableExecuteCommand", False),
        "availabilityZoneRebalancing": asked.get("availabilityZoneRebalancing", "DISABLED"),
    } | {name: asked[name] for name in optional if name in asked}


def _known_places(region: str, network: dict[str, Any]) -> None:
    ec2: Any = ec2_backends[ACCOUNT][region]
    try:
        ec2.describe_subnets(subnet_ids=network["subnets"])
        ec2.describe_security_groups(group_ids=network["securityGroups"])
    except ServiceException as error:
        raise _invalid(f"Error retrieving network information: {error.message}") from error


def _check_target(region: str, target: dict[str, Any], task: Any) -> None:
    group: Any = elbv2_backends[ACCOUNT][region].target_groups.get(target["targetGroupArn"])
    if group is None:
        raise _invalid(f"The target group {target['targetGroupArn']} does not exist.")
    if not group.load_balancer_arns:
        raise _invalid(
            f"The target group with targetGroupArn {group.arn} does not have an associated load balancer."
        )
    if group.target_type != "ip":
        raise _invalid("The target group's type is incompatible with the awsvpc network mode.")
    ports = {
        port["containerPort"]
        for each in task.container_definitions
        if each["name"] == target["containerName"]
        for port in each["portMappings"]
    }
    if target["containerPort"] not in ports:
        name, port = target["containerName"], target["containerPort"]
        raise _invalid(f"The container {name} did not have a container port {port} defined.")


def _reason_not_to_start(region: str, task: Any, service: dict[str, Any]) -> str:
    """Why no task of this definition starts here; empty where one does."""
    for each in task.container_definitions:
        for secret in each.get("secrets", []):
            if not _has_value(region, secret["valueFrom"]):
                return f"ResourceInitializationError: unable to retrieve secret {secret['name']}"
        options = each.get("logConfiguration", {}).get("options", {})
        group = options.get("awslogs-group")
        if group is not None and group not in logs_backends[ACCOUNT][region].groups:
            return f"ResourceInitializationError: the log group {group} does not exist"
    subnets = service["networkConfiguration"]["awsvpcConfiguration"]["subnets"]
    for volume in task.volumes:
        if not _can_be_mounted(region, volume["efsVolumeConfiguration"], subnets):
            return f"ResourceInitializationError: failed to mount {volume['name']}"
    return ""


def _has_value(region: str, reference: str) -> bool:
    """Say whether a secret, or one key of its JSON, has a value: `arn:aws:secretsmanager:…:NAME:KEY::`."""
    parts = reference.split(":")
    arn, key = ":".join(parts[:7]), parts[7] if len(parts) > 7 else ""
    try:
        told: Any = secretsmanager_backends[ACCOUNT][region].get_secret_value(arn, "", "")
        return not key or key in json.loads(told["SecretString"])
    except (HTTPException, ServiceException, ValueError):
        return False


def _can_be_mounted(region: str, volume: dict[str, Any], subnets: list[str]) -> bool:
    files: Any = efs_backends[ACCOUNT][region]
    system = files.file_systems_by_id.get(volume["fileSystemId"])
    point = volume.get("authorizationConfig", {}).get("accessPointId")
    if system is None or (point is not None and point not in files.access_points):
        return False
    zones = {each.availability_zone for each in ec2_backends[ACCOUNT][region].describe_subnets(subnets)}
    return zones <= _zones(files, system)


def _zones(files: Any, system: Any) -> set[str]:
    return {
        each.availability_zone_name
        for each in files.mount_targets_by_id.values()
        if each.file_system_id == system.file_system_id
    }


def _invalid(why: str) -> Refused:
    return Refused("InvalidParameterException", why)
