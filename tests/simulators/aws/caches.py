"""Replication groups of ElastiCache; moto's have no nodes that could be asked, and no rules."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from moto.ec2.models import ec2_backends
from moto.elasticache.models import elasticache_backends
from moto.kms.models import kms_backends
from moto.logs.models import logs_backends

from tests.simulators.aws.cache_parameters import caches, parameter_groups
from tests.simulators.aws.cache_users import user_groups
from tests.simulators.aws.operations import ACCOUNT, Asked, Extension, Refused, Told, answers

_VERSIONS = {"7.2": "7.2.6", "8.0": "8.0.1", "8.1": "8.1.0"}
_SIMPLE = {
    "ReplicationGroupDescription": "Description",
    "AutoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "CacheNodeType": "CacheNodeType",
    "SnapshotRetentionLimit": "SnapshotRetentionLimit",
    "SnapshotWindow": "SnapshotWindow",
    "TransitEncryptionMode": "TransitEncryptionMode",
}


class Caches(Extension):
    """Caches of Valkey in one region, without shards: one primary node and its copies."""

    service = "elasticache"

    @answers("CreateReplicationGroup")
    def create(self, asked: Asked) -> Told:
        identity = asked["ReplicationGroupId"].lower()
        if identity in caches(self.region):
            raise Refused("ReplicationGroupAlreadyExists", f"Replication group {identity} already exists.")
        self._check(asked)
        members = [f"{identity}-{number + 1:03d}" for number in range(asked.get("NumCacheClusters", 1))]
        told = self._described(identity, asked, members)
        caches(self.region)[identity] = {
            "told": told,
            "version": _VERSIONS[asked.get("EngineVersion", "8.0")],
            "parameters": asked["CacheParameterGroupName"].lower(),
            "subnets": asked["CacheSubnetGroupName"],
            "groups": list(asked.get("SecurityGroupIds", [])),
            "port": asked.get("Port", 6379),
            "window": asked.get("PreferredMaintenanceWindow", "sun:05:00-sun:09:00"),
        }
        for each in told["UserGroupIds"]:
            user_groups(self.region)[each]["ReplicationGroups"].append(identity)
        self._backend.tagging_service.tag_resource(told["ARN"], asked.get("Tags", []))
        return {"ReplicationGroup": deepcopy(told) | {"Status": "creating"}}

    @answers("DescribeReplicationGroups")
    def describe(self, asked: Asked) -> Told:
        wanted = asked.get("ReplicationGroupId")
        found = list(caches(self.region).values()) if wanted is None else [self._cache(wanted)]
        return {"ReplicationGroups": [deepcopy(each["told"]) for each in found]}

    @answers("ModifyReplicationGroup")
    def modify(self, asked: Asked) -> Told:
        cache = self._cache(asked["ReplicationGroupId"])
        told = cache["told"]
        if asked.get("TransitEncryptionEnabled") is False and told["TransitEncryptionMode"] == "required":
            raise _combination("Encryption in transit is required; set its mode to preferred first.")
        told.update({name: asked[key] for key, name in _SIMPLE.items() if key in asked})
        if "AutomaticFailoverEnabled" in asked:
            told["AutomaticFailover"] = _state(asked["AutomaticFailoverEnabled"])
        if "MultiAZEnabled" in asked:
            told["MultiAZ"] = _state(asked["MultiAZEnabled"])
        if told["MultiAZ"] == "enabled" and told["AutomaticFailover"] != "enabled":
            raise _combination("Automatic failover must be enabled for Multi-AZ.")
        if "CacheParameterGroupName" in asked:
            cache["parameters"] = asked["CacheParameterGroupName"].lower()
        cache["groups"] = asked.get("SecurityGroupIds", cache["groups"])
        self._change_users(cache, asked)
        self._change_logs(told, asked)
        return {"ReplicationGroup": deepcopy(told)}

    @answers("DeleteReplicationGroup")
    def delete(self, asked: Asked) -> Told:
        cache = self._cache(asked["ReplicationGroupId"])
        identity = cache["told"]["ReplicationGroupId"]
        for each in user_groups(self.region).values():
            each["ReplicationGroups"] = [name for name in each["ReplicationGroups"] if name != identity]
        del caches(self.region)[identity]
        return {"ReplicationGroup": deepcopy(cache["told"]) | {"Status": "deleting"}}

    @answers("DescribeCacheClusters")
    def nodes(self, asked: Asked) -> Told:
        wanted = asked.get("CacheClusterId")
        found = [
            (node, cache)
            for cache in caches(self.region).values()
            for node in cache["told"]["MemberClusters"]
            if wanted in (None, node)
        ]
        if wanted is not None and not found:
            raise Refused("CacheClusterNotFound", f"CacheCluster not found: {wanted}")
        return {"CacheClusters": [self._node(*each) for each in found]}

    @property
    def _backend(self) -> Any:
        return elasticache_backends[ACCOUNT][self.region]

    def _cache(self, identity: str) -> dict[str, Any]:
        found = caches(self.region).get(identity.lower())
        if found is None:
            raise Refused("ReplicationGroupNotFoundFault", f"ReplicationGroup {identity} not found.")
        return found

    def _check(self, asked: Asked) -> None:
        if asked.get("Engine") != "valkey" or asked.get("EngineVersion", "8.0") not in _VERSIONS:
            raise _invalid("This AWS has Valkey 7.2, 8.0 and 8.1 only.")
        if asked.get("MultiAZEnabled") and not asked.get("AutomaticFailoverEnabled"):
            raise _combination("Automatic failover must be enabled for Multi-AZ.")
        if asked.get("AutomaticFailoverEnabled") and asked.get("NumCacheClusters", 1) < 2:
            raise _combination("Automatic failover needs a replica.")
        if asked.get("UserGroupIds") and not asked.get("TransitEncryptionEnabled"):
            raise _combination("Encryption in transit must be enabled to use user groups.")
        if asked.get("KmsKeyId") and not asked.get("AtRestEncryptionEnabled"):
            raise _combination("A key needs encryption at rest.")
        self._check_what_it_uses(asked)

    def _check_what_it_uses(self, asked: Asked) -> None:
        parameters = parameter_groups(self.region).get(asked["CacheParameterGroupName"].lower())
        if parameters is None:
            raise Refused("CacheParameterGroupNotFound", "CacheParameterGroup not found.")
        family = f"valkey{asked.get('EngineVersion', '8.0').split('.')[0]}"
        if parameters["CacheParameterGroupFamily"] != family:
            raise _combination(f"Expected a parameter group of family {family}.")
        if asked["CacheSubnetGroupName"] not in self._backend.cache_subnet_groups:
            raise Refused("CacheSubnetGroupNotFoundFault", "Cache Subnet Group does not exist.")
        known = ec2_backends[ACCOUNT][self.region].groups
        groups = {identity for vpc in known.values() for identity in vpc}
        if not groups.issuperset(asked.get("SecurityGroupIds", [])):
            raise _invalid("Some security groups do not exist.")
        if asked.get("KmsKeyId") and not _has_key(self.region, asked["KmsKeyId"]):
            raise _invalid("The KMS key does not exist or is not enabled.")
        for each in asked.get("UserGroupIds", []):
            if each not in user_groups(self.region):
                raise Refused("UserGroupNotFoundFault", f"User Group {each} not found.")
        self._delivered(asked)

    def _delivered(self, asked: Asked) -> list[dict[str, Any]]:
        groups = logs_backends[ACCOUNT][self.region].groups
        found = []
        for each in asked.get("LogDeliveryConfigurations", []):
            if not each.get("Enabled", True):
                continue
            group = each["DestinationDetails"].get("CloudWatchLogsDetails", {}).get("LogGroup")
            if group not in groups:
                raise _invalid(f"The log group {group} does not exist.")
            told = {key: value for key, value in each.items() if key != "Enabled"}
            found.append(told | {"Status": "active"})
        return found

    def _change_users(self, cache: dict[str, Any], asked: Asked) -> None:
        told, groups = cache["told"], user_groups(self.region)
        going = (
            told["UserGroupIds"] if asked.get("RemoveUserGroups") else asked.get("UserGroupIdsToRemove", [])
        )
        kept = [each for each in told["UserGroupIds"] if each not in going]
        told["UserGroupIds"] = kept + [
            each for each in asked.get("UserGroupIdsToAdd", []) if each not in kept
        ]
        for name, group in groups.items():
            others = [each for each in group["ReplicationGroups"] if each != told["ReplicationGroupId"]]
            mine = [told["ReplicationGroupId"]] if name in told["UserGroupIds"] else []
            group["ReplicationGroups"] = others + mine

    def _change_logs(self, told: dict[str, Any], asked: Asked) -> None:
        changed = {each["LogType"] for each in asked.get("LogDeliveryConfigurations", [])}
        kept = [each for each in told["LogDeliveryConfigurations"] if each["LogType"] not in changed]
        told["LogDeliveryConfigurations"] = kept + self._delivered(asked)

    def _described(self, identity: str, asked: Asked, members: list[str]) -> dict[str, Any]:
        domain = f"{identity}.abc123.use1.cache.amazonaws.com"
        port = asked.get("Port", 6379)
        encrypted = asked.get("TransitEncryptionEnabled", False)
        told = {
            "ReplicationGroupId": identity,
            "Description": asked["ReplicationGroupDescription"],
            "GlobalReplicationGroupInfo": {},
            "Status": "available",
            "PendingModifiedValues": {},
            "MemberClusters": members,
            "NodeGroups": [_nodes(members, domain, port, self._zones(asked))],
            "AutomaticFailover": _state(asked.get("AutomaticFailoverEnabled", False)),
            "MultiAZ": _state(asked.get("MultiAZEnabled", False)),
            "SnapshotRetentionLimit": asked.get("SnapshotRetentionLimit", 0),
            "SnapshotWindow": asked.get("SnapshotWindow", "06:00-07:00"),
            "ClusterEnabled": False,
            "ClusterMode": "disabled",
            "CacheNodeType": asked["CacheNodeType"],
            "AuthTokenEnabled": "AuthToken" in asked,
            "TransitEncryptionEnabled": encrypted,
            "AtRestEncryptionEnabled": asked.get("AtRestEncryptionEnabled", False),
            "ARN": f"arn:aws:elasticache:{self.region}:{ACCOUNT}:replicationgroup:{identity}",
            "UserGroupIds": list(asked.get("UserGroupIds", [])),
            "LogDeliveryConfigurations": self._delivered(asked),
            "ReplicationGroupCreateTime": datetime.now(UTC),
            "DataTiering": "disabled",
            "AutoMinorVersionUpgrade": asked.get("AutoMinorVersionUpgrade", True),
            "NetworkType": "ipv4",
            "IpDiscovery": "ipv4",
            "Engine": "valkey",
        }
        if encrypted:
            told["TransitEncryptionMode"] = asked.get("TransitEncryptionMode", "required")
        return told | ({"KmsKeyId": asked["KmsKeyId"]} if "KmsKeyId" in asked else {})

    def _zones(self, asked: Asked) -> list[str]:
        subnets = self._backend.cache_subnet_groups[asked["CacheSubnetGroupName"]].subnets
        return sorted({each["subnet_availability_zone"] for each in subnets})

    def _node(self, node: str, cache: dict[str, Any]) -> dict[str, Any]:
        told = cache["told"]
        same = (
            "AtRestEncryptionEnabled",
            "AuthTokenEnabled",
            "AutoMinorVersionUpgrade",
            "CacheNodeType",
            "Engine",
            "IpDiscovery",
            "NetworkType",
            "ReplicationGroupId",
            "SnapshotRetentionLimit",
            "SnapshotWindow",
            "TransitEncryptionEnabled",
            "TransitEncryptionMode",
        )
        (group,) = told["NodeGroups"]
        member = next(each for each in group["NodeGroupMembers"] if each["CacheClusterId"] == node)
        return {name: told[name] for name in same if name in told} | {
            "CacheClusterId": node,
            "CacheClusterStatus": "available",
            "NumCacheNodes": 1,
            "EngineVersion": cache["version"],
            "PreferredAvailabilityZone": member["PreferredAvailabilityZone"],
            "CacheClusterCreateTime": told["ReplicationGroupCreateTime"],
            "PreferredMaintenanceWindow": cache["window"],
            "CacheParameterGroup": {
                "CacheParameterGroupName": cache["parameters"],
                "ParameterApplyStatus": "in-sync",
                "CacheNodeIdsToReboot": [],
            },
            "CacheSubnetGroupName": cache["subnets"],
            "CacheNodes": [
                {
                    "CacheNodeId": "0001",
                    "CacheNodeStatus": "available",
                    "Endpoint": member["ReadEndpoint"],
                    "ParameterGroupStatus": "in-sync",
                }
            ],
            "SecurityGroups": [{"SecurityGroupId": each, "Status": "active"} for each in cache["groups"]],
            "ARN": f"arn:aws:elasticache:{self.region}:{ACCOUNT}:cluster:{node}",
            "ReplicationGroupLogDeliveryEnabled": bool(told["LogDeliveryConfigurations"]),
        }


def _nodes(members: list[str], domain: str, port: int, zones: list[str]) -> dict[str, Any]:
    return {
        "NodeGroupId": "0001",
        "Status": "available",
        "PrimaryEndpoint": {"Address": f"master.{domain}", "Port": port},
        "ReaderEndpoint": {"Address": f"replica.{domain}", "Port": port},
        "NodeGroupMembers": [
            {
                "CacheClusterId": node,
                "CacheNodeId": "0001",
                "ReadEndpoint": {"Address": f"{node}.{domain}", "Port": port},
                "PreferredAvailabilityZone": zones[number % len(zones)],
                "CurrentRole": "replica" if number else "primary",
            }
            for number, node in enumerate(members)
        ],
    }


def _has_key(region: str, wanted: str) -> bool:
    keys = kms_backends[ACCOUNT][region].keys
    found: Any = keys.get(wanted.rpartition("/")[2])
    return found is not None and bool(found.enabled)


def _state(on: object) -> str:
    return "enabled" if on else "disabled"


def _invalid(why: str) -> Refused:
    return Refused("InvalidParameterValue", why)


def _combination(why: str) -> Refused:
    return Refused("InvalidParameterCombination", why)
