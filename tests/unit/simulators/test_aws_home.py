"""What the gateway's home needs of the test AWS, through boto3: what runs, and what AWS refuses."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.backends import get_backend

from tests.simulators.aws.server import Aws, aws_server

pytestmark = pytest.mark.slow
ROOT = "arn:aws:iam::123456789012:root"
ACCESS = "on ~keepstone:* -@all +get +script|load"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}],
}
SENDER = {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}


@pytest.fixture(scope="module")
def server() -> Iterator[Aws]:
    with aws_server() as found:
        found.client = cache(found.client)  # type: ignore[method-assign]
        yield found
        assert found.untrue == set()


@pytest.fixture
def aws(server: Aws) -> Aws:
    for each in ("application-autoscaling", "ecs", "efs", "elasticache", "elbv2", "rds", "s3", "wafv2"):
        get_backend(each).reset()
    for each in ("logs", "secretsmanager"):
        get_backend(each).reset()
    return server


def refusal(call: Any, **asked: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**asked)
    return str(caught.value.response["Error"]["Code"])


class Stage:
    """All on which a service runs: cluster, task definition with a secret and a log group, target group."""

    def __init__(self, aws: Aws) -> None:
        self.ecs, self.elb = aws.client("ecs"), aws.client("elbv2")
        self.secrets, self.logs = aws.client("secretsmanager"), aws.client("logs")
        self.vpc, self.subnets = aws.network()
        self.ecs.create_cluster(clusterName="c")
        self.secret = self.secrets.create_secret(Name="s")["ARN"]
        self.logs.create_log_group(logGroupName="/l")
        self.group = self._target_group("ip")
        self.task = self._task()

    def _target_group(self, kind: str) -> str:
        made = self.elb.create_target_group(
            Name=kind, Protocol="HTTPS", Port=8443, VpcId=self.vpc, TargetType=kind
        )
        arn: str = made["TargetGroups"][0]["TargetGroupArn"]
        return arn

    def _task(self) -> str:
        made = self.ecs.register_task_definition(
            family="t",
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            containerDefinitions=[
                {
                    "name": "one",
                    "image": "i",
                    "portMappings": [{"containerPort": 8443}],
                    "secrets": [{"name": "P", "valueFrom": f"{self.secret}:key::"}],
                    "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/l"}},
                }
            ],
        )
        arn: str = made["taskDefinition"]["taskDefinitionArn"]
        return arn

    def serve(self) -> None:
        """Put a load balancer before the target group."""
        made = self.elb.create_load_balancer(Name="b", Subnets=self.subnets, Scheme="internal")
        balancer = made["LoadBalancers"][0]["LoadBalancerArn"]
        forward = {"Type": "forward", "TargetGroupArn": self.group}
        self.elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[forward])

    def asked(self, **more: Any) -> dict[str, Any]:
        return {
            "cluster": "c",
            "serviceName": "s",
            "taskDefinition": self.task,
            "desiredCount": 1,
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": self.subnets}},
        } | more

    def target(self, **more: Any) -> list[dict[str, Any]]:
        return [{"targetGroupArn": self.group, "containerName": "one", "containerPort": 8443} | more]


def test_a_service_runs_when_all_is_there_that_its_task_fetches(aws: Aws) -> None:
    stage = Stage(aws)
    made = stage.ecs.create_service(**stage.asked())["service"]
    (deployment,) = made["deployments"]
    assert (made["runningCount"], deployment["rolloutState"]) == (0, "FAILED")
    assert "unable to retrieve secret P" in deployment["rolloutStateReason"]
    stage.secrets.put_secret_value(SecretId="s", SecretString='{"other": "x"}')
    again = stage.ecs.update_service(cluster="c", service="s", forceNewDeployment=True)["service"]
    assert again["runningCount"] == 0
    stage.secrets.put_secret_value(SecretId="s", SecretString='{"key": "x"}')
    again = stage.ecs.update_service(cluster="c", service="s")["service"]
    assert (again["runningCount"], again["deployments"][0]["rolloutState"]) == (1, "COMPLETED")
    stage.logs.delete_log_group(logGroupName="/l")
    again = stage.ecs.update_service(cluster="c", service="s")["service"]
    assert "log group /l" in again["deployments"][0]["rolloutStateReason"]


def test_a_service_goes_when_it_is_at_rest_and_its_cluster_after_it(aws: Aws) -> None:
    stage = Stage(aws)
    stage.secrets.put_secret_value(SecretId="s", SecretString='{"key": "x"}')
    arn = stage.ecs.create_service(**stage.asked(tags=[{"key": "a", "value": "b"}]))["service"]["serviceArn"]
    assert stage.ecs.list_services(cluster="c")["serviceArns"] == [arn]
    assert stage.ecs.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "a", "value": "b"}]
    assert refusal(stage.ecs.delete_cluster, cluster="c") == "ClusterContainsServicesException"
    assert refusal(stage.ecs.delete_service, cluster="c", service="s") == "InvalidParameterException"
    stage.ecs.update_service(cluster="c", service="s", desiredCount=0)
    stage.ecs.delete_service(cluster="c", service="s")
    assert refusal(stage.ecs.update_service, cluster="c", service="s") == "ServiceNotActiveException"
    assert stage.ecs.list_services(cluster="c")["serviceArns"] == []
    stage.ecs.delete_cluster(cluster="c")
    assert refusal(stage.ecs.list_services, cluster="c") == "ClusterNotFoundException"


@pytest.mark.parametrize(
    "changed",
    [
        {"taskDefinition": "nothing"},
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-gone"]}}},
        {"healthCheckGracePeriodSeconds": 5},
        {"target": {}},
        {"target": {"containerPort": 1}, "served": True},
        {"target": {"containerName": "two"}, "served": True},
        {"target": {"targetGroupArn": "arn:gone"}, "served": True},
        {"target": {"kind": "instance"}, "served": True},
    ],
    ids=str,
)
def test_ecs_refuses_such_a_service(aws: Aws, changed: dict[str, Any]) -> None:
    stage = Stage(aws)
    asked = dict(changed)
    if asked.pop("served", False):
        stage.serve()
    if "target" in asked:
        target = asked.pop("target")
        if target.pop("kind", ""):
            stage.elb.delete_target_group(TargetGroupArn=stage._target_group("instance"))
            target["targetGroupArn"] = stage._target_group("instance")
        asked["loadBalancers"] = stage.target(**target)
    found = refusal(stage.ecs.create_service, **stage.asked(**asked))
    assert found in ("InvalidParameterException", "ClientException")


class Cache:
    """Everything that a cache of Valkey uses."""

    def __init__(self, aws: Aws) -> None:
        self.client = aws.client("elasticache")
        _, subnets = aws.network()
        self.client.create_cache_subnet_group(
            CacheSubnetGroupName="s", CacheSubnetGroupDescription="d", SubnetIds=subnets
        )
        self.client.create_cache_parameter_group(
            CacheParameterGroupName="p", CacheParameterGroupFamily="valkey8", Description="d"
        )
        self.user("u")
        self.client.create_user_group(UserGroupId="g", Engine="valkey", UserIds=["u"])

    def user(self, name: str, **mode: Any) -> None:
        mode = mode or {"Type": "password", "Passwords": ["0123456789abcdef"]}
        self.client.create_user(
            UserId=name, UserName=name, Engine="valkey", AccessString=ACCESS, AuthenticationMode=mode
        )

    @staticmethod
    def asked(**more: Any) -> dict[str, Any]:
        return {
            "ReplicationGroupId": "r",
            "ReplicationGroupDescription": "d",
            "Engine": "valkey",
            "EngineVersion": "8.0",
            "CacheNodeType": "cache.t4g.small",
            "NumCacheClusters": 2,
            "AutomaticFailoverEnabled": True,
            "MultiAZEnabled": True,
            "CacheParameterGroupName": "p",
            "CacheSubnetGroupName": "s",
            "UserGroupIds": ["g"],
            "TransitEncryptionEnabled": True,
            "AtRestEncryptionEnabled": True,
        } | more


def test_a_cache_has_nodes_and_holds_what_it_uses(aws: Aws) -> None:
    cache = Cache(aws)
    cache.client.create_replication_group(**cache.asked())
    (told,) = cache.client.describe_replication_groups()["ReplicationGroups"]
    assert (told["Status"], told["TransitEncryptionMode"]) == ("available", "required")
    nodes = [
        cache.client.describe_cache_clusters(CacheClusterId=each)["CacheClusters"][0]
        for each in told["MemberClusters"]
    ]
    assert {each["EngineVersion"] for each in nodes} == {"8.0.1"}
    assert len({each["PreferredAvailabilityZone"] for each in nodes}) == 2
    assert refusal(cache.client.delete_user_group, UserGroupId="g") == "InvalidUserGroupState"
    held = {"CacheParameterGroupName": "p"}
    assert refusal(cache.client.delete_cache_parameter_group, **held) == "InvalidCacheParameterGroupState"
    held = {"CacheSubnetGroupName": "s"}
    assert refusal(cache.client.delete_cache_subnet_group, **held) == "CacheSubnetGroupInUse"
    cache.client.delete_replication_group(ReplicationGroupId="r")
    cache.client.delete_user_group(UserGroupId="g")
    cache.client.delete_cache_parameter_group(CacheParameterGroupName="p")
    cache.client.delete_cache_subnet_group(CacheSubnetGroupName="s")
    assert refusal(cache.client.describe_cache_clusters, CacheClusterId="r-001") == "CacheClusterNotFound"


@pytest.mark.parametrize(
    "changed",
    [
        {"AutomaticFailoverEnabled": False},
        {"NumCacheClusters": 1},
        {"TransitEncryptionEnabled": False},
        {"AtRestEncryptionEnabled": False, "KmsKeyId": "k"},
        {"KmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/gone"},
        {"EngineVersion": "7.2"},
        {"EngineVersion": "6.0"},
        {"CacheParameterGroupName": "gone"},
        {"CacheSubnetGroupName": "gone"},
        {"UserGroupIds": ["gone"]},
        {"SecurityGroupIds": ["sg-gone"]},
        {"ReplicationGroupDescription": 0},
    ],
    ids=str,
)
def test_elasticache_refuses_such_a_cache(aws: Aws, changed: dict[str, Any]) -> None:
    cache = Cache(aws)
    if changed == {"ReplicationGroupDescription": 0}:  # what is taken twice
        cache.client.create_replication_group(**cache.asked())
        assert (
            refusal(cache.client.create_replication_group, **cache.asked()) == "ReplicationGroupAlreadyExists"
        )
    else:
        assert refusal(cache.client.create_replication_group, **cache.asked(**changed)) in (
            "CacheParameterGroupNotFound",
            "CacheSubnetGroupNotFoundFault",
            "InvalidParameterCombination",
            "InvalidParameterValue",
            "UserGroupNotFound",
        )


def test_valkeys_users_prove_who_they_are(aws: Aws) -> None:
    cache = Cache(aws)
    cache.user("open", Type="no-password-required")
    add = {"UserGroupId": "g", "UserIdsToAdd": ["open"]}
    assert refusal(cache.client.modify_user_group, **add) == "InvalidParameterValue"
    assert refusal(cache.client.modify_user, UserId="u", NoPasswordRequired=True) == "InvalidParameterValue"
    assert (
        refusal(cache.client.modify_user, UserId="u", AccessString="on everything") == "InvalidParameterValue"
    )
    redis = {"UserGroupId": "r", "Engine": "redis", "UserIds": ["u"]}
    assert refusal(cache.client.create_user_group, **redis) == "DefaultUserRequired"
    changed = cache.client.modify_user(UserId="u", AccessString="on ~* +@all")
    assert (changed["AccessString"], changed["UserGroupIds"]) == ("on ~* +@all", ["g"])


def test_a_parameter_is_one_that_there_is_with_a_value_that_it_takes(aws: Aws) -> None:
    cache = Cache(aws)

    def put(name: str, value: str) -> dict[str, Any]:
        parameter = {"ParameterName": name, "ParameterValue": value}
        return {"CacheParameterGroupName": "p", "ParameterNameValues": [parameter]}

    change = cache.client.modify_cache_parameter_group
    assert refusal(change, **put("nothing", "1")) == "InvalidParameterValue"
    assert refusal(change, **put("maxmemory-policy", "some")) == "InvalidParameterValue"
    change(**put("maxmemory-policy", "noeviction"))
    asked = {"CacheParameterGroupName": "p", "Source": "user"}
    (told,) = cache.client.describe_cache_parameters(**asked)["Parameters"]
    assert (told["ParameterName"], told["ParameterValue"]) == ("maxmemory-policy", "noeviction")
    cache.client.reset_cache_parameter_group(CacheParameterGroupName="p", ResetAllParameters=True)
    assert cache.client.describe_cache_parameters(**asked)["Parameters"] == []


def test_aurora_chooses_the_minor_version_and_goes_back_to_none(aws: Aws) -> None:
    rds = aws.client("rds")
    asked = {"Engine": "aurora-postgresql", "MasterUsername": "admin1", "ManageMasterUserPassword": True}
    assert refusal(rds.create_db_cluster, DBClusterIdentifier="o", EngineVersion="9", **asked) == (
        "InvalidParameterCombination"
    )
    assert refusal(rds.create_db_cluster, DBClusterIdentifier="o", KmsKeyId="k", **asked) == (
        "InvalidParameterCombination"
    )
    rds.create_db_cluster(DBClusterIdentifier="c", EngineVersion="16", **asked)
    (told,) = rds.describe_db_clusters()["DBClusters"]
    assert (told["EngineVersion"], "ScalingConfigurationInfo" in told) == ("16.6", False)
    back = {"DBClusterIdentifier": "c", "EngineVersion": "16.2"}
    assert refusal(rds.modify_db_cluster, **back) == "InvalidParameterCombination"
    made = rds.create_db_instance(
        DBInstanceIdentifier="i",
        DBClusterIdentifier="c",
        DBInstanceClass="db.serverless",
        Engine="aurora-postgresql",
        EnablePerformanceInsights=True,
    )["DBInstance"]
    assert made["CACertificateIdentifier"] == "rds-ca-rsa2048-g1"
    (told,) = rds.describe_db_instances()["DBInstances"]
    assert (told["PerformanceInsightsEnabled"], told["PerformanceInsightsRetentionPeriod"]) == (True, 7)
    rds.delete_db_instance(DBInstanceIdentifier="i", SkipFinalSnapshot=True)
    rds.delete_db_cluster(DBClusterIdentifier="c", FinalDBSnapshotIdentifier="last")
    left = rds.describe_db_cluster_snapshots()["DBClusterSnapshots"]
    assert [each["DBClusterSnapshotIdentifier"] for each in left] == ["last"]


def test_a_load_balancer_logs_where_it_may_and_listens_with_what_there_is(aws: Aws) -> None:
    stage, s3 = Stage(aws), aws.client("s3")
    made = stage.elb.create_load_balancer(Name="b", Subnets=stage.subnets)["LoadBalancers"][0]
    arn = made["LoadBalancerArn"]
    s3.create_bucket(Bucket="logs")
    wanted = {"access_logs.s3.enabled": "true", "access_logs.s3.bucket": "logs"}
    attributes = {"LoadBalancerArn": arn, "Attributes": [{"Key": k, "Value": v} for k, v in wanted.items()]}
    assert refusal(stage.elb.modify_load_balancer_attributes, **attributes) == "InvalidConfigurationRequest"
    statement = POLICY["Statement"][0] | {"Principal": SENDER}  # type: ignore[operator,index]
    s3.put_bucket_policy(Bucket="logs", Policy=json.dumps(POLICY | {"Statement": [statement]}))
    stage.elb.modify_load_balancer_attributes(**attributes)
    forward = [{"Type": "forward", "TargetGroupArn": stage.group}]
    listen = {"LoadBalancerArn": arn, "Protocol": "HTTPS", "Port": 443, "DefaultActions": forward}
    assert refusal(stage.elb.create_listener, **listen) == "ValidationError"
    gone = [{"CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/gone"}]
    assert refusal(stage.elb.create_listener, Certificates=gone, **listen) == "CertificateNotFound"
    stage.elb.create_listener(**listen | {"Protocol": "HTTP"})
    assert refusal(stage.elb.delete_target_group, TargetGroupArn=stage.group) == "ResourceInUse"


def test_a_firewall_stands_before_what_there_is_and_stays_while_it_does(aws: Aws) -> None:
    stage, waf = Stage(aws), aws.client("wafv2")
    made = stage.elb.create_load_balancer(Name="b", Subnets=stage.subnets)["LoadBalancers"][0]
    seen = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": True, "MetricName": "m"}
    acl = waf.create_web_acl(
        Name="w", Description="one", Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=seen
    )["Summary"]
    gone = made["LoadBalancerArn"].replace("/b/", "/gone/")
    assert refusal(waf.associate_web_acl, WebACLArn=acl["ARN"], ResourceArn=gone) == (
        "WAFUnavailableEntityException"
    )
    waf.associate_web_acl(WebACLArn=acl["ARN"], ResourceArn=made["LoadBalancerArn"])
    named = {"Name": "w", "Scope": "REGIONAL", "Id": acl["Id"], "LockToken": acl["LockToken"]}
    assert refusal(waf.delete_web_acl, **named) == "WAFAssociatedItemException"
    logged = {
        "ResourceArn": acl["ARN"],
        "LogDestinationConfigs": ["arn:aws:logs:us-east-1:123456789012:log-group:/l"],
    }
    assert refusal(waf.put_logging_configuration, LoggingConfiguration=logged) == (
        "WAFLogDestinationPermissionIssueException"
    )


def test_a_file_systems_policy_names_those_who_are_there(aws: Aws) -> None:
    efs = aws.client("efs")
    system = efs.create_file_system(CreationToken="t", Encrypted=True)["FileSystemId"]

    def policy(principal: str) -> dict[str, str]:
        statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "*", "Resource": "*"}
        return {"FileSystemId": system, "Policy": json.dumps({"Statement": [statement]})}

    gone = "arn:aws:iam::123456789012:role/gone"
    assert refusal(efs.put_file_system_policy, **policy(gone)) == "InvalidPolicyException"
    efs.put_file_system_policy(**policy(ROOT))
    efs.delete_file_system_policy(FileSystemId=system)
    assert refusal(efs.describe_file_system_policy, FileSystemId=system) == "PolicyNotFound"
    efs.put_backup_policy(FileSystemId=system, BackupPolicy={"Status": "ENABLED"})
    assert efs.describe_backup_policy(FileSystemId=system)["BackupPolicy"] == {"Status": "ENABLED"}


def test_scaling_has_bounds_steps_and_tags(aws: Aws) -> None:
    stage, scaling = Stage(aws), aws.client("application-autoscaling")
    stage.ecs.create_service(**stage.asked())
    about = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/c/s",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    upside_down = about | {"MinCapacity": 2, "MaxCapacity": 1}
    assert refusal(scaling.register_scalable_target, **upside_down) == "ValidationException"
    scaling.register_scalable_target(**about, MinCapacity=0, MaxCapacity=1, Tags={"a": "b"})
    (told,) = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    arn = told["ScalableTargetARN"]
    scaling.tag_resource(ResourceARN=arn, Tags={"c": "d"})
    scaling.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"c": "d"}
    for steps in ([], [{"ScalingAdjustment": 1}]):
        configuration = {"AdjustmentType": "ExactCapacity", "StepAdjustments": steps}
        wrong = about | {"PolicyName": "p", "PolicyType": "StepScaling"}
        assert (
            refusal(scaling.put_scaling_policy, StepScalingPolicyConfiguration=configuration, **wrong)
            == "ValidationException"
        )
