"""What somebody may do by hand to what the module made, and what a plan then has to report."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.simulators.aws.server import Aws

State = dict[str, dict[str, Any]]
PREFIX = "production-bedrock"
ALL = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)


@dataclass(frozen=True)
class Tampering:
    """One thing done by hand, and the changes by which a plan takes it back."""

    act: Callable[[Aws, State], object]
    reported: dict[str, str]


def _weaken_guardrail(aws: Aws, state: State) -> None:
    made = state["aws_bedrock_guardrail.this[0]"]
    bedrock = aws.client("bedrock")
    told = bedrock.get_guardrail(guardrailIdentifier=made["guardrail_arn"])
    filters = told["contentPolicy"]["filters"]
    for each in filters:
        each["inputStrength"] = "LOW"
    kept = ("name", "description", "blockedInputMessaging", "blockedOutputsMessaging")
    personal = told["sensitiveInformationPolicy"]["piiEntities"]
    bedrock.update_guardrail(
        **{key: told[key] for key in kept},
        guardrailIdentifier=made["guardrail_arn"],
        kmsKeyId=told["kmsKeyArn"],
        contentPolicyConfig={"filtersConfig": filters},
        sensitiveInformationPolicyConfig={"piiEntitiesConfig": personal},
        wordPolicyConfig={"managedWordListsConfig": told["wordPolicy"]["managedWordLists"]},
    )


def _open_group(aws: Aws, state: State) -> None:
    rule = {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    group = state['aws_security_group.endpoint["runtime"]']["id"]
    aws.client("ec2").authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])


def _let_group_out(aws: Aws, state: State) -> None:
    rule = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    group = state['aws_security_group.endpoint["general"]']["id"]
    aws.client("ec2").authorize_security_group_egress(GroupId=group, IpPermissions=[rule])


def _edit_bucket_policy(aws: Aws, state: State) -> None:
    bucket = state["aws_s3_bucket.logs"]["id"]
    s3 = aws.client("s3")
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    policy["Statement"] = [each for each in policy["Statement"] if each["Sid"] != "OnlyByTls"]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def _widen_topic(aws: Aws, state: State) -> None:
    topic = state['aws_sns_topic.alerts["critical"]']["arn"]
    anybody = {"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": topic}
    policy = {"Version": "2012-10-17", "Statement": [anybody]}
    aws.client("sns").set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(policy)
    )


def _open_trust(aws: Aws, state: State) -> None:
    trust = json.loads(state["aws_iam_role.logging"]["assume_role_policy"])
    del trust["Statement"][0]["Condition"]
    aws.client("iam").update_assume_role_policy(
        RoleName=f"{PREFIX}-logging", PolicyDocument=json.dumps(trust)
    )


def _widen_access(aws: Aws, state: State) -> None:
    arn = state["aws_iam_policy.access"]["arn"]
    aws.client("iam").create_policy_version(PolicyArn=arn, PolicyDocument=ALL, SetAsDefault=True)


def _write_into_logging(aws: Aws, _: State) -> None:
    aws.client("iam").put_role_policy(RoleName=f"{PREFIX}-logging", PolicyName="more", PolicyDocument=ALL)


def _attach_to_access(aws: Aws, state: State) -> None:
    arn = state["aws_iam_policy.logging"]["arn"]
    aws.client("iam").attach_role_policy(RoleName=state["aws_iam_role.access"]["name"], PolicyArn=arn)


def _silence_alarm(aws: Aws, _: State) -> None:
    aws.client("cloudwatch").disable_alarm_actions(AlarmNames=[f"{PREFIX}-invocation-server-errors"])


WEAKENED = {
    "the guardrail's filters go down to LOW": Tampering(
        _weaken_guardrail,
        {"aws_bedrock_guardrail.this[0]": "update", "aws_bedrock_guardrail_version.this[0]": "delete+create"},
    ),
    "a security group opens": Tampering(_open_group, {'aws_security_group.endpoint["runtime"]': "update"}),
    "a security group lets out": Tampering(
        _let_group_out, {'aws_security_group.endpoint["general"]': "update"}
    ),
    "the key is rotated no more": Tampering(
        lambda aws, state: aws.client("kms").disable_key_rotation(KeyId=state["aws_kms_key.this"]["key_id"]),
        {"aws_kms_key.this": "update"},
    ),
    "the bucket takes calls without TLS": Tampering(
        _edit_bucket_policy, {"aws_s3_bucket_policy.logs": "update"}
    ),
    "the bucket keeps no versions": Tampering(
        lambda aws, state: aws.client("s3").put_bucket_versioning(
            Bucket=state["aws_s3_bucket.logs"]["id"], VersioningConfiguration={"Status": "Suspended"}
        ),
        {"aws_s3_bucket_versioning.logs": "update"},
    ),
    "logs are kept for a day": Tampering(
        lambda aws, state: aws.client("logs").put_retention_policy(
            logGroupName=state["aws_cloudwatch_log_group.invocations"]["name"], retentionInDays=1
        ),
        {"aws_cloudwatch_log_group.invocations": "update"},
    ),
    "anybody publishes alerts": Tampering(
        _widen_topic, {'aws_sns_topic_policy.alerts["critical"]': "update"}
    ),
    "the trail stops": Tampering(
        lambda aws, _: aws.client("cloudtrail").stop_logging(Name=f"{PREFIX}-trail"),
        {"aws_cloudtrail.this[0]": "update"},
    ),
    "a role trusts other accounts' Bedrock": Tampering(_open_trust, {"aws_iam_role.logging": "update"}),
    "an alarm is silent": Tampering(
        _silence_alarm, {'aws_cloudwatch_metric_alarm.threshold["invocation-server-errors"]': "update"}
    ),
    "the rule that tells of protection is disabled": Tampering(
        lambda aws, _: aws.client("events").disable_rule(Name=f"{PREFIX}-protection-changed"),
        {"aws_cloudwatch_event_rule.protection[0]": "update"},
    ),
    "the key is rotated every seven years": Tampering(
        lambda aws, state: aws.client("kms").enable_key_rotation(
            KeyId=state["aws_kms_key.this"]["key_id"], RotationPeriodInDays=2560
        ),
        {"aws_kms_key.this": "update"},
    ),
    "the access role gets another policy": Tampering(
        _attach_to_access, {'aws_iam_role_policy_attachments_exclusive.this["access"]': "update"}
    ),
    "a service role gets a policy of its own": Tampering(
        _write_into_logging, {'aws_iam_role_policies_exclusive.this["logging"]': "update"}
    ),
    "the access policy allows all": Tampering(_widen_access, {"aws_iam_policy.access": "update"}),
}

REMOVED = {
    "invocation logging": Tampering(
        lambda aws, _: aws.client("bedrock").delete_model_invocation_logging_configuration(),
        {"aws_bedrock_model_invocation_logging_configuration.this[0]": "create"},
    ),
    "an alarm": Tampering(
        lambda aws, _: aws.client("cloudwatch").delete_alarms(AlarmNames=[f"{PREFIX}-token-budget"]),
        {"aws_cloudwatch_metric_alarm.tokens[0]": "create"},
    ),
    "an endpoint": Tampering(
        lambda aws, state: aws.client("ec2").delete_vpc_endpoints(
            VpcEndpointIds=[state['aws_vpc_endpoint.this["bedrock-runtime"]']["id"]]
        ),
        {'aws_vpc_endpoint.this["bedrock-runtime"]': "create"},
    ),
    "the block of public access": Tampering(
        lambda aws, state: aws.client("s3").delete_public_access_block(
            Bucket=state["aws_s3_bucket.logs"]["id"]
        ),
        {"aws_s3_bucket_public_access_block.logs": "create"},
    ),
    "the masking of logs": Tampering(
        lambda aws, state: aws.client("logs").delete_data_protection_policy(
            logGroupIdentifier=state["aws_cloudwatch_log_group.invocations"]["name"]
        ),
        {"aws_cloudwatch_log_data_protection_policy.invocations[0]": "create"},
    ),
    "the rule that tells of the key": Tampering(
        lambda aws, _: (
            aws.client("events").remove_targets(Rule=f"{PREFIX}-key", Ids=["alert"]),
            aws.client("events").delete_rule(Name=f"{PREFIX}-key"),
        ),
        {"aws_cloudwatch_event_rule.key[0]": "create", "aws_cloudwatch_event_target.key[0]": "create"},
    ),
    "the budget": Tampering(
        lambda aws, _: aws.client("budgets").delete_budget(
            AccountId=aws.account, BudgetName=f"{PREFIX}-monthly"
        ),
        {"aws_budgets_budget.monthly[0]": "create"},
    ),
    "the monitor's subscription": Tampering(
        lambda aws, state: aws.client("ce").delete_anomaly_subscription(
            SubscriptionArn=state["aws_ce_anomaly_subscription.bedrock[0]"]["arn"]
        ),
        {"aws_ce_anomaly_subscription.bedrock[0]": "create"},
    ),
    "the flow log": Tampering(
        lambda aws, state: aws.client("ec2").delete_flow_logs(
            FlowLogIds=[state["aws_flow_log.vpc[0]"]["id"]]
        ),
        {"aws_flow_log.vpc[0]": "create"},
    ),
    "the logging role's policy": Tampering(
        lambda aws, state: aws.client("iam").detach_role_policy(
            RoleName=f"{PREFIX}-logging", PolicyArn=state["aws_iam_policy.logging"]["arn"]
        ),
        {
            "aws_iam_role_policy_attachment.logging": "create",
            'aws_iam_role_policy_attachments_exclusive.this["logging"]': "update",
        },
    ),
}
