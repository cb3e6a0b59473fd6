"""What moto tells wrongly of Aurora, or forgets: authorities, Performance Insights, minor versions."""

from typing import Any

from moto.kms.models import kms_backends
from moto.rds.models import DBCluster, DBInstance, rds_backends

from tests.simulators.aws.operations import (
    ACCOUNT,
    Asked,
    Extension,
    NotOursError,
    Refused,
    Told,
    answers,
    follows,
)

_INSIGHTS_DAYS = 7
_MINORS = {"15": "15.10", "16": "16.6", "17": "17.4"}
"""What AWS makes of a major version alone."""


def _authority(instance: Any) -> str:
    told: str = vars(instance).get("authority", "")
    return "rds-ca-rsa2048-g1" if told in ("", "rds-ca-default") else told


def _scaling(cluster: Any) -> dict[str, Any] | None:
    return _TOLD(cluster) if cluster.scaling_configuration else None


_TOLD = DBCluster.scaling_configuration_info.fget  # type: ignore[attr-defined]
# moto answers a creation before anything could follow it: so its defaults become those of AWS.
DBInstance.ca_certificate_identifier = property(  # type: ignore[assignment]
    _authority, lambda instance, told: vars(instance).update(authority=told)
)
DBCluster.scaling_configuration_info = property(_scaling)  # type: ignore[assignment,method-assign]


class Databases(Extension):
    """Aurora in one region, kept by moto."""

    service = "rds"

    @answers("CreateDBCluster")
    def create_cluster(self, asked: Asked) -> Told:
        version = asked.get("EngineVersion", "16")
        if asked["Engine"] == "aurora-postgresql" and version.split(".")[0] not in _MINORS:
            raise _combination(f"Cannot find version {version} for aurora-postgresql")
        if asked.get("KmsKeyId") and not asked.get("StorageEncrypted"):
            raise _combination("A key needs encrypted storage.")
        key: Any = kms_backends[ACCOUNT][self.region].keys.get(asked.get("KmsKeyId", "").rpartition("/")[2])
        if asked.get("KmsKeyId") and (key is None or not key.enabled):
            raise Refused("KMSKeyNotAccessibleFault", "The KMS key is not there, or not enabled.")
        raise NotOursError

    @follows("CreateDBCluster")
    def created_cluster(self, asked: Asked) -> None:
        cluster: Any = rds_backends[ACCOUNT][self.region].clusters[asked["DBClusterIdentifier"].lower()]
        cluster.engine_version = _MINORS.get(cluster.engine_version, cluster.engine_version)

    @answers("ModifyDBCluster")
    def modify_cluster(self, asked: Asked) -> Told:
        cluster: Any = rds_backends[ACCOUNT][self.region].clusters.get(asked["DBClusterIdentifier"].lower())
        if cluster is None:
            raise Refused("DBClusterNotFoundFault", "The cluster is not there.")
        wanted, there = asked.get("EngineVersion", ""), cluster.engine_version
        if (
            wanted
            and [int(part) for part in wanted.split(".")]
            < [int(p) for p in there.split(".")][: len(wanted.split("."))]
        ):
            raise _combination(f"Cannot upgrade aurora-postgresql from {there} to {wanted}")
        raise NotOursError

    @follows("DeleteDBCluster")
    def deleted_cluster(self, asked: Asked) -> None:
        """Automatic snapshots go with their cluster, unless they are to stay."""
        if asked.get("DeleteAutomatedBackups", True):
            kept: dict[str, Any] = rds_backends[ACCOUNT][self.region].cluster_snapshots  # type: ignore[assignment]
            for name in list(kept):
                if name.startswith(f"rds:{asked['DBClusterIdentifier'].lower()}-"):
                    del kept[name]

    @follows("CreateDBInstance")
    def created_instance(self, asked: Asked) -> None:
        self._insights(self._instance(asked), asked)

    @follows("ModifyDBInstance")
    def modified_instance(self, asked: Asked) -> None:
        instance = self._instance(asked)
        instance.ca_certificate_identifier = asked.get("CACertificateIdentifier", "")
        self._insights(instance, asked)

    @staticmethod
    def _insights(instance: Any, asked: Asked) -> None:
        if "EnablePerformanceInsights" in asked:
            instance.performance_insights_enabled = asked["EnablePerformanceInsights"]
            instance.performance_insights_kms_key_id = asked.get("PerformanceInsightsKMSKeyId")
            instance.performance_insights_retention_period = asked.get(
                "PerformanceInsightsRetentionPeriod", _INSIGHTS_DAYS
            )

    def _instance(self, asked: Asked) -> Any:
        return rds_backends[ACCOUNT][self.region].databases[asked["DBInstanceIdentifier"].lower()]


def _combination(why: str) -> Refused:
    return Refused("InvalidParameterCombination", why)
