"""What somebody may do by hand to the gateway's home, and what drift then has to say: change and checks."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.deploy.tampering import ALL
from tests.simulators.aws.server import Aws

State = dict[str, dict[str, Any]]
NAME = "production-bedrock-gateway"
EVERYBODY = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
OPEN = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    ],
}


@dataclass(frozen=True)
class Tampering:
    """One thing done by hand, and what drift says of it: action and checks by address in the module."""

    act: Callable[[Aws, State], object]
    told: dict[str, tuple[str, tuple[str, ...]]]


def _another_task(aws: Aws, state: State) -> None:
    """Register a task that runs anything as root and logs nothing, and let machine `a` run it."""
    ecs = aws.client("ecs")
    task = ecs.describe_task_definition(taskDefinition=f"{NAME}-a")["taskDefinition"]
    (container,) = task["containerDefinitions"]
    container.update(image="docker.io/library/busybox:latest", user="root", readonlyRootFilesystem=False)
    del container["logConfiguration"]
    kept = ("family", "taskRoleArn", "executionRoleArn", "networkMode", "volumes", "cpu", "memory")
    made = ecs.register_task_definition(
        **{name: task[name] for name in kept},
        containerDefinitions=[container],
        requiresCompatibilities=["FARGATE"],
        runtimePlatform=task["runtimePlatform"],
        tags=ecs.list_tags_for_resource(resourceArn=task["taskDefinitionArn"])["tags"],
    )
    arn = made["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(cluster=NAME, service=f"{NAME}-a", taskDefinition=arn)


def _loosen_balancer(aws: Aws, state: State) -> None:
    wanted = {
        "routing.http.drop_invalid_header_fields.enabled": "false",
        "deletion_protection.enabled": "false",
    }
    aws.client("elbv2").modify_load_balancer_attributes(
        LoadBalancerArn=state["aws_lb.this"]["arn"],
        Attributes=[{"Key": key, "Value": value} for key, value in wanted.items()],
    )


def _public_task(aws: Aws, _: State) -> None:
    ecs = aws.client("ecs")
    (service,) = ecs.describe_services(cluster=NAME, services=[f"{NAME}-c"])["services"]
    network = service["networkConfiguration"]["awsvpcConfiguration"] | {"assignPublicIp": "ENABLED"}
    ecs.update_service(
        cluster=NAME, service=f"{NAME}-c", networkConfiguration={"awsvpcConfiguration": network}
    )


TAMPERED = {
    "everybody may call": Tampering(
        lambda aws, state: aws.client("ec2").authorize_security_group_ingress(
            GroupId=state["aws_security_group.clients"]["id"], IpPermissions=[EVERYBODY]
        ),
        {"aws_security_group.clients": ("update", ("KS-NET-001", "KS-NET-002"))},
    ),
    "machines reach everything": Tampering(
        lambda aws, state: aws.client("ec2").authorize_security_group_egress(
            GroupId=state["aws_security_group.services"]["id"], IpPermissions=[EVERYBODY]
        ),
        {"aws_security_group.services": ("update", ())},
    ),
    "a machine runs something else": Tampering(
        _another_task,
        {
            'aws_ecs_task_definition.machine["a"]': (
                "replace",
                ("KS-TSK-001", "KS-TSK-002", "KS-TSK-003", "KS-TSK-005"),
            ),
            'module.first.aws_ecs_service.machine["a"]': ("unclear", ()),
        },
    ),
    "a machine is stopped": Tampering(
        lambda aws, _: aws.client("ecs").update_service(cluster=NAME, service=f"{NAME}-b", desiredCount=0),
        {'module.second.aws_ecs_service.machine["b"]': ("update", ())},
    ),
    "a machine gets a public address": Tampering(
        _public_task, {'module.busy.aws_ecs_service.by_load["c"]': ("update", ("KS-SVC-001",))}
    ),
    "load starts no machine": Tampering(
        lambda aws, state: aws.client("application-autoscaling").delete_scaling_policy(
            PolicyName=f"{NAME}-c-wake",
            ServiceNamespace="ecs",
            ScalableDimension="ecs:service:DesiredCount",
            ResourceId=state['aws_appautoscaling_target.machine["c"]']["resource_id"],
        ),
        {
            'aws_appautoscaling_policy.machine["c-wake"]': ("create", ()),
            'aws_cloudwatch_metric_alarm.scaling["c-wake"]': ("unclear", ()),
        },
    ),
    "the database is unprotected": Tampering(
        lambda aws, _: aws.client("rds").modify_db_cluster(
            DBClusterIdentifier=NAME, DeletionProtection=False, BackupRetentionPeriod=1, ApplyImmediately=True
        ),
        {"aws_rds_cluster.this": ("update", ("KS-DBS-003", "KS-DBS-004"))},
    ),
    "the database is public": Tampering(
        lambda aws, _: aws.client("rds").modify_db_instance(
            DBInstanceIdentifier=f"{NAME}-0", PubliclyAccessible=True, ApplyImmediately=True
        ),
        {"aws_rds_cluster_instance.this[0]": ("update", ("KS-DBS-002",))},
    ),
    "the firewall is gone": Tampering(
        lambda aws, state: aws.client("wafv2").disassociate_web_acl(ResourceArn=state["aws_lb.this"]["arn"]),
        {"aws_wafv2_web_acl_association.this[0]": ("create", ("KS-LBR-006",))},
    ),
    "old TLS is let in": Tampering(
        lambda aws, state: aws.client("elbv2").modify_listener(
            ListenerArn=state["aws_lb_listener.https"]["arn"], SslPolicy="ELBSecurityPolicy-2016-08"
        ),
        {"aws_lb_listener.https": ("update", ("KS-LBR-002",))},
    ),
    "the load balancer is loosened": Tampering(
        _loosen_balancer, {"aws_lb.this": ("update", ("KS-LBR-004", "KS-LBR-005", "KS-LBR-006"))}
    ),
    "the file system has no policy": Tampering(
        lambda aws, state: aws.client("efs").delete_file_system_policy(
            FileSystemId=state["aws_efs_file_system.ledgers"]["id"]
        ),
        {"aws_efs_file_system_policy.ledgers": ("create", ("KS-EFS-002",))},
    ),
    "limits travel in clear": Tampering(
        lambda aws, _: aws.client("elasticache").modify_replication_group(
            ReplicationGroupId=NAME, TransitEncryptionMode="preferred", ApplyImmediately=True
        ),
        {"aws_elasticache_replication_group.this": ("update", ("KS-CCH-002",))},
    ),
    "the gateway's user of Valkey may do everything": Tampering(
        lambda aws, _: aws.client("elasticache").modify_user(UserId=NAME, AccessString="on ~* +@all"),
        {"aws_elasticache_user.gateway": ("update", ())},
    ),
    "a role gets more": Tampering(
        lambda aws, _: aws.client("iam").put_role_policy(
            RoleName=NAME, PolicyName="more", PolicyDocument=ALL
        ),
        {
            'aws_iam_role_policies_exclusive.this["gateway"]': (
                "update",
                tuple(f"KS-IAM-00{n}" for n in range(1, 7)),
            )
        },
    ),
    "anybody reads the secret": Tampering(
        lambda aws, _: aws.client("secretsmanager").put_resource_policy(
            SecretId=NAME, ResourcePolicy=json.dumps(OPEN)
        ),
        {"aws_secretsmanager_secret_policy.gateway": ("update", ("KS-SEC-004",))},
    ),
    "logs are kept for a day": Tampering(
        lambda aws, _: aws.client("logs").put_retention_policy(
            logGroupName=f"/aws/ecs/{NAME}", retentionInDays=1
        ),
        {'aws_cloudwatch_log_group.this["gateway"]': ("update", ("KS-LOG-007",))},
    ),
    "the key is rotated no more": Tampering(
        lambda aws, state: aws.client("kms").disable_key_rotation(KeyId=state["aws_kms_key.this"]["key_id"]),
        {
            "aws_kms_key.this": ("update", ("KS-KEY-001",)),
            "aws_iam_role_policy.start": ("unclear", ()),  # its document is read after the key is mended
        },
    ),
}
