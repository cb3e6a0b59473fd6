"""Parameter groups of ElastiCache, and the end of subnet groups, which moto lacks."""

from copy import deepcopy
from typing import Any

from moto.elasticache.models import elasticache_backends

from tests.simulators.aws.operations import ACCOUNT, Asked, Extension, Refused, Told, answers

DEFAULTS = {"maxmemory-policy": "volatile-lru", "timeout": "0", "notify-keyspace-events": ""}
"""Parameters that are told here, of the hundreds that there are, with what AWS sets."""
_CHOICES = {
    "maxmemory-policy": "volatile-lru,allkeys-lru,volatile-lfu,allkeys-lfu,volatile-random,allkeys-random,"
    "volatile-ttl,noeviction"
}
FAMILIES = ("valkey7", "valkey8", "redis6.x", "redis7")


class CacheParameters(Extension):
    """Parameter groups of one region."""

    service = "elasticache"

    @answers("CreateCacheParameterGroup")
    def create(self, asked: Asked) -> Told:
        name = asked["CacheParameterGroupName"].lower()
        if asked["CacheParameterGroupFamily"] not in FAMILIES:
            raise _invalid(f"CacheParameterGroupFamily {asked['CacheParameterGroupFamily']} is not valid.")
        if name in parameter_groups(self.region):
            raise Refused("CacheParameterGroupAlreadyExists", f"Cache parameter group {name} already exists.")
        arn = f"arn:aws:elasticache:{self.region}:{ACCOUNT}:parametergroup:{name}"
        parameter_groups(self.region)[name] = {
            "CacheParameterGroupName": name,
            "CacheParameterGroupFamily": asked["CacheParameterGroupFamily"],
            "Description": asked["Description"],
            "IsGlobal": False,
            "ARN": arn,
            "set": {},
        }
        self._backend.tagging_service.tag_resource(arn, asked.get("Tags", []))
        return {"CacheParameterGroup": self._told(self._group(asked))}

    @answers("DescribeCacheParameterGroups")
    def describe(self, asked: Asked) -> Told:
        wanted = asked.get("CacheParameterGroupName")
        found = list(parameter_groups(self.region).values()) if wanted is None else [self._group(asked)]
        return {"CacheParameterGroups": [self._told(each) for each in found]}

    @answers("DescribeCacheParameters")
    def parameters(self, asked: Asked) -> Told:
        values = self._group(asked)["set"]
        by_user = asked.get("Source") == "user"
        shown = values if by_user else DEFAULTS | values
        return {
            "Parameters": [
                {
                    "ParameterName": name,
                    "ParameterValue": value,
                    "Source": "user" if name in values else "system",
                    "DataType": "string",
                    "IsModifiable": True,
                    "ChangeType": "immediate",
                }
                for name, value in shown.items()
            ]
        }

    @answers("ModifyCacheParameterGroup")
    def modify(self, asked: Asked) -> Told:
        group = self._group(asked)
        for each in asked["ParameterNameValues"]:
            name, value = each["ParameterName"], each["ParameterValue"]
            if name not in DEFAULTS:
                raise _invalid(f"The parameter {name} cannot be modified.")
            if name in _CHOICES and value not in _CHOICES[name].split(","):
                raise _invalid(f"The value {value} is not valid for {name}.")
            group["set"][name] = value
        return {"CacheParameterGroupName": group["CacheParameterGroupName"]}

    @answers("ResetCacheParameterGroup")
    def reset(self, asked: Asked) -> Told:
        group = self._group(asked)
        named = [each["ParameterName"] for each in asked.get("ParameterNameValues", [])]
        for name in list(group["set"]) if asked.get("ResetAllParameters") else named:
            group["set"].pop(name, None)
        return {"CacheParameterGroupName": group["CacheParameterGroupName"]}

    @answers("DeleteCacheParameterGroup")
    def delete(self, asked: Asked) -> Told:
        name = self._group(asked)["CacheParameterGroupName"]
        if any(each["parameters"] == name for each in caches(self.region).values()):
            raise Refused("InvalidCacheParameterGroupState", f"{name} is used by a cache.")
        del parameter_groups(self.region)[name]
        return {}

    @answers("DeleteCacheSubnetGroup")
    def delete_subnets(self, asked: Asked) -> Told:
        name = asked["CacheSubnetGroupName"]
        if name not in self._backend.cache_subnet_groups:
            raise Refused("CacheSubnetGroupNotFoundFault", f"Cache Subnet Group {name} does not exist.")
        if any(each["subnets"] == name for each in caches(self.region).values()):
            raise Refused("CacheSubnetGroupInUse", f"{name} is used by a cache.")
        del self._backend.cache_subnet_groups[name]
        return {}

    @property
    def _backend(self) -> Any:
        return elasticache_backends[ACCOUNT][self.region]

    def _group(self, asked: Asked) -> dict[str, Any]:
        name = asked["CacheParameterGroupName"].lower()
        found = parameter_groups(self.region).get(name)
        if found is None:
            raise Refused("CacheParameterGroupNotFound", f"CacheParameterGroup {name} not found.")
        return found

    @staticmethod
    def _told(group: dict[str, Any]) -> dict[str, Any]:
        return {name: deepcopy(value) for name, value in group.items() if name != "set"}


def parameter_groups(region: str) -> dict[str, dict[str, Any]]:
    """Return the parameter groups of a region."""
    return _beside(region, "parameter_groups")


def caches(region: str) -> dict[str, dict[str, Any]]:
    """Return the caches of a region: what is told of each, and what it uses."""
    return _beside(region, "caches")


def _beside(region: str, name: str) -> dict[str, dict[str, Any]]:
    """Return what is kept beside moto's own state, which goes when that goes."""
    backend: Any = elasticache_backends[ACCOUNT][region]
    if not hasattr(backend, name):
        setattr(backend, name, {})
    found: dict[str, dict[str, Any]] = getattr(backend, name)
    return found


def _invalid(why: str) -> Refused:
    return Refused("InvalidParameterValue", why)
