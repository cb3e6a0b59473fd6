"""What of the gateway's home stands in an account."""

from tests.simulators.aws.server import Aws

_ASKED = {
    "caches": ("elasticache", "describe_replication_groups", "ReplicationGroups", "ReplicationGroupId"),
    "cache parameters": (
        "elasticache",
        "describe_cache_parameter_groups",
        "CacheParameterGroups",
        "CacheParameterGroupName",
    ),
    "cache subnets": (
        "elasticache",
        "describe_cache_subnet_groups",
        "CacheSubnetGroups",
        "CacheSubnetGroupName",
    ),
    "cache users": ("elasticache", "describe_users", "Users", "UserId"),
    "cache user groups": ("elasticache", "describe_user_groups", "UserGroups", "UserGroupId"),
    "databases": ("rds", "describe_db_clusters", "DBClusters", "DBClusterIdentifier"),
    "database instances": ("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier"),
    "database snapshots": (
        "rds",
        "describe_db_cluster_snapshots",
        "DBClusterSnapshots",
        "DBClusterSnapshotIdentifier",
    ),
    "database parameters": (
        "rds",
        "describe_db_cluster_parameter_groups",
        "DBClusterParameterGroups",
        "DBClusterParameterGroupName",
    ),
    "database subnets": ("rds", "describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName"),
    "file systems": ("efs", "describe_file_systems", "FileSystems", "Name"),
    "folders": ("efs", "describe_access_points", "AccessPoints", "Name"),
    "load balancers": ("elbv2", "describe_load_balancers", "LoadBalancers", "LoadBalancerName"),
    "secrets": ("secretsmanager", "list_secrets", "SecretList", "Name"),
    "target groups": ("elbv2", "describe_target_groups", "TargetGroups", "TargetGroupName"),
}
_EVERYBODYS = ("default",)


def housed(aws: Aws) -> dict[str, list[str]]:
    """Names of what is there, by kind; kinds without any are left out."""
    named = {
        kind: [each[name] for each in getattr(aws.client(service), ask)()[answer]]
        for kind, (service, ask, answer, name) in _ASKED.items()
    }
    ecs = aws.client("ecs")
    clusters = ecs.describe_clusters(clusters=ecs.list_clusters()["clusterArns"])["clusters"]
    named["clusters"] = [each["clusterName"] for each in clusters if each["status"] == "ACTIVE"]
    scaling = aws.client("application-autoscaling")
    targets = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    named["scalable targets"] = [each["ResourceId"] for each in targets]
    acls = aws.client("wafv2").list_web_acls(Scope="REGIONAL")["WebACLs"]
    named["firewalls"] = [each["Name"] for each in acls]
    found = {kind: sorted(set(names) - set(_EVERYBODYS)) for kind, names in named.items()}
    return {
        kind: kept
        for kind, names in found.items()
        if (kept := [each for each in names if not each.startswith("default.")])
    }
