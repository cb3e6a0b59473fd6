"""The test AWS through boto3: what moto lacks is there, and what AWS refuses is refused."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import get_session

from tests.simulators.aws.conformance import faults
from tests.simulators.aws.credentials import STRANGER
from tests.simulators.aws.front import EXTENSIONS
from tests.simulators.aws.server import Aws, aws_server

MESSAGES = {"blockedInputMessaging": "no", "blockedOutputsMessaging": "no"}
HATE = {"type": "HATE", "inputStrength": "HIGH", "outputStrength": "HIGH"}
ATTACK = {"type": "PROMPT_ATTACK", "inputStrength": "HIGH", "outputStrength": "NONE"}


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with aws_server() as server:
        yield server


def content(*filters: dict[str, str], **more: Any) -> dict[str, Any]:
    return {**MESSAGES, "contentPolicyConfig": {"filtersConfig": list(filters), **more}}


def refusal(call: Any, **asked: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**asked)
    return str(caught.value.response["Error"]["Code"])


def test_a_guardrail_lives_from_draft_to_version_to_nothing(aws: Aws) -> None:
    bedrock = aws.client("bedrock")
    made = bedrock.create_guardrail(name="life", **content(HATE), tags=[{"key": "a", "value": "b"}])
    arn = made["guardrailArn"]
    assert bedrock.create_guardrail_version(guardrailIdentifier=arn, description="one")["version"] == "1"
    bedrock.update_guardrail(guardrailIdentifier=arn, name="life", **content(HATE, ATTACK))
    draft = bedrock.get_guardrail(guardrailIdentifier=made["guardrailId"])
    first = bedrock.get_guardrail(guardrailIdentifier=arn, guardrailVersion="1")
    assert draft["contentPolicy"] == {"filters": [HATE, ATTACK], "tier": {"tierName": "CLASSIC"}}
    assert (first["contentPolicy"]["filters"], first["description"]) == ([HATE], "one")
    assert [each["version"] for each in bedrock.list_guardrails(guardrailIdentifier=arn)["guardrails"]] == [
        "DRAFT",
        "1",
    ]
    bedrock.tag_resource(resourceARN=arn, tags=[{"key": "c", "value": "d"}])
    bedrock.untag_resource(resourceARN=arn, tagKeys=["a"])
    assert bedrock.list_tags_for_resource(resourceARN=arn)["tags"] == [{"key": "c", "value": "d"}]
    bedrock.delete_guardrail(guardrailIdentifier=arn)
    assert refusal(bedrock.get_guardrail, guardrailIdentifier=arn) == "ResourceNotFoundException"
    assert bedrock.list_guardrails()["guardrails"] == []


REFUSED_GUARDRAILS = {
    "no policy": MESSAGES,
    "an attack has no output": content({**ATTACK, "outputStrength": "HIGH"}),
    "a type twice": content(HATE, HATE),
    "an unknown strength": content({**HATE, "inputStrength": "VERY_HIGH"}),
    "a tier without its profile": content(HATE, tierConfig={"tierName": "STANDARD"}),
    "a name that is too long": content(HATE) | {"name": "x" * 51},
    "a name with a blank": content(HATE) | {"name": "a b"},
    "a certain ground": {
        **MESSAGES,
        "contextualGroundingPolicyConfig": {"filtersConfig": [{"type": "GROUNDING", "threshold": 1.0}]},
    },
}


@pytest.mark.parametrize("case", REFUSED_GUARDRAILS)
def test_bedrock_refuses_such_a_guardrail(aws: Aws, case: str) -> None:
    asked = {"name": "refused"} | REFUSED_GUARDRAILS[case]
    assert refusal(aws.client("bedrock").create_guardrail, **asked) == "ValidationException"


def test_a_guardrails_name_is_taken_once(aws: Aws) -> None:
    bedrock = aws.client("bedrock")
    made = bedrock.create_guardrail(name="taken", **content(HATE))
    assert refusal(bedrock.create_guardrail, name="taken", **content(HATE)) == "ConflictException"
    bedrock.delete_guardrail(guardrailIdentifier=made["guardrailId"])


def alarm(aws: Aws, name: str) -> None:
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        MetricName="Invocations",
        Namespace="AWS/Bedrock",
        Period=60,
        Statistic="Sum",
        Threshold=1,
    )


def test_a_composite_alarm_holds_its_children(aws: Aws) -> None:
    cloudwatch = aws.client("cloudwatch")
    rule = 'ALARM("child") OR NOT OK(other)'
    alarm(aws, "child")
    assert refusal(cloudwatch.put_composite_alarm, AlarmName="whole", AlarmRule=rule) == "ValidationError"
    alarm(aws, "other")
    suppressor = f"arn:aws:cloudwatch:us-east-1:{aws.account}:alarm:maintenance"
    cloudwatch.put_composite_alarm(
        AlarmName="whole",
        AlarmRule=rule,
        ActionsSuppressor=suppressor,
        ActionsSuppressorWaitPeriod=60,
        ActionsSuppressorExtensionPeriod=30,
        Tags=[{"Key": "a", "Value": "b"}],
    )
    (told,) = cloudwatch.describe_alarms(AlarmNames=["whole"], AlarmTypes=["CompositeAlarm"])[
        "CompositeAlarms"
    ]
    assert (told["AlarmRule"], told["ActionsSuppressor"]) == (rule, suppressor)
    assert (told["ActionsSuppressorWaitPeriod"], told["ActionsSuppressorExtensionPeriod"]) == (60, 30)
    assert cloudwatch.list_tags_for_resource(ResourceARN=told["AlarmArn"])["Tags"] == [
        {"Key": "a", "Value": "b"}
    ]
    assert refusal(cloudwatch.delete_alarms, AlarmNames=["child"]) == "ValidationError"
    cloudwatch.delete_alarms(AlarmNames=["whole"])
    cloudwatch.delete_alarms(AlarmNames=["child", "other"])
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []


def protection(
    *, audit: Any = None, mask: Any = None, identifiers: tuple[str, str] = ("Name", "Name")
) -> str:
    operations: tuple[Any, Any] = (
        audit or {"Audit": {"FindingsDestination": {}}},
        mask or {"Deidentify": {"MaskConfig": {}}},
    )
    statements = [
        {"DataIdentifier": [f"arn:aws:dataprotection::aws:data-identifier/{name}"], "Operation": operation}
        for name, operation in zip(identifiers, operations, strict=True)
    ]
    return json.dumps({"Name": "mask", "Version": "2021-06-01", "Statement": statements})


def test_logs_keep_a_policy_as_long_as_their_group_lives(aws: Aws) -> None:
    logs = aws.client("logs")
    asked = {"logGroupIdentifier": "group"}
    assert refusal(logs.get_data_protection_policy, **asked) == "ResourceNotFoundException"
    logs.create_log_group(logGroupName="group")
    assert "policyDocument" not in logs.get_data_protection_policy(**asked)
    logs.put_data_protection_policy(**asked, policyDocument=protection())
    assert logs.get_data_protection_policy(**asked)["policyDocument"] == protection()
    logs.delete_log_group(logGroupName="group")
    logs.create_log_group(logGroupName="group")
    assert "policyDocument" not in logs.get_data_protection_policy(**asked)
    assert refusal(logs.delete_data_protection_policy, **asked) == "ResourceNotFoundException"


@pytest.mark.parametrize(
    "document",
    [
        "not json",
        "{}",
        protection(audit={"Audit": {}}),
        protection(mask={"Deidentify": {}}),
        protection(identifiers=("Name", "Address")),
        protection().replace("2021-06-01", "2012-10-17"),
        protection().replace("arn:aws:dataprotection", "arn:aws:elsewhere"),
    ],
)
def test_logs_refuse_such_a_policy(aws: Aws, document: str) -> None:
    logs = aws.client("logs")
    if not logs.describe_log_groups(logGroupNamePrefix="refuses")["logGroups"]:
        logs.create_log_group(logGroupName="refuses")
    asked = {"logGroupIdentifier": "refuses", "policyDocument": document}
    assert refusal(logs.put_data_protection_policy, **asked) == "InvalidParameterException"


def test_a_keys_rotation_has_its_period(aws: Aws) -> None:
    kms = aws.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    assert "RotationPeriodInDays" not in kms.get_key_rotation_status(KeyId=key)
    kms.enable_key_rotation(KeyId=key)
    assert kms.get_key_rotation_status(KeyId=key)["RotationPeriodInDays"] == 365
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=90)
    assert kms.get_key_rotation_status(KeyId=key)["RotationPeriodInDays"] == 90
    kms.disable_key_rotation(KeyId=key)
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False
    assert refusal(kms.get_key_rotation_status, KeyId="absent") == "NotFoundException"


def test_a_budget_tells_who_is_told(aws: Aws) -> None:
    budgets = aws.client("budgets")
    about = {"AccountId": aws.account, "BudgetName": "month"}
    notice = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80.0}
    mail = [{"SubscriptionType": "EMAIL", "Address": f"{name}@example.com"} for name in ("a", "b")]
    budget = {"BudgetName": "month", "TimeUnit": "MONTHLY", "BudgetType": "COST"}
    limited = budget | {"BudgetLimit": {"Amount": "5", "Unit": "USD"}}
    assert refusal(budgets.create_budget, AccountId=aws.account, Budget=budget) == "InvalidParameterException"
    budgets.create_budget(
        AccountId=aws.account,
        Budget=limited,
        NotificationsWithSubscribers=[{"Notification": notice, "Subscribers": mail[:1]}],
        ResourceTags=[{"Key": "a", "Value": "b"}],
    )
    assert refusal(budgets.create_budget, AccountId=aws.account, Budget=limited) == "DuplicateRecordException"
    assert budgets.describe_budget(**about)["Budget"]["CostTypes"]["IncludeTax"] is True
    budgets.create_subscriber(**about, Notification=notice, Subscriber=mail[1])
    budgets.delete_subscriber(**about, Notification=notice, Subscriber=mail[0])
    budgets.update_subscriber(**about, Notification=notice, OldSubscriber=mail[1], NewSubscriber=mail[0])
    budgets.update_notification(**about, OldNotification=notice, NewNotification=notice | {"Threshold": 90.0})
    (told,) = budgets.describe_notifications_for_budget(**about)["Notifications"]
    assert (told["Threshold"], told["ThresholdType"]) == (90.0, "PERCENTAGE")
    assert (
        budgets.describe_subscribers_for_notification(**about, Notification=told)["Subscribers"] == mail[:1]
    )
    assert refusal(budgets.delete_notification, **about, Notification=notice) == "NotFoundException"
    arn = f"arn:aws:budgets::{aws.account}:budget/month"
    assert budgets.list_tags_for_resource(ResourceARN=arn)["ResourceTags"] == [{"Key": "a", "Value": "b"}]
    budgets.update_budget(
        AccountId=aws.account, NewBudget=limited | {"BudgetLimit": {"Amount": "7", "Unit": "USD"}}
    )
    assert budgets.describe_budgets(AccountId=aws.account)["Budgets"][0]["BudgetLimit"]["Amount"] == "7"
    budgets.delete_budget(**about)
    assert refusal(budgets.describe_budget, **about) == "NotFoundException"


def test_anomalies_are_watched_and_told(aws: Aws) -> None:
    ce = aws.client("ce")
    watched = {"Dimensions": {"Key": "SERVICE", "Values": ["Amazon Bedrock"]}}
    monitor = {"MonitorName": "cost", "MonitorType": "CUSTOM"}
    assert refusal(ce.create_anomaly_monitor, AnomalyMonitor=monitor) == "ValidationException"
    arn = ce.create_anomaly_monitor(AnomalyMonitor=monitor | {"MonitorSpecification": watched})["MonitorArn"]
    ce.update_anomaly_monitor(MonitorArn=arn, MonitorName="costs")
    told = {
        "MonitorArnList": [arn],
        "Subscribers": [{"Type": "EMAIL", "Address": "a@example.com"}],
        "Frequency": "DAILY",
        "SubscriptionName": "cost",
        "Threshold": 5.0,
    }
    at_once = told | {"Frequency": "IMMEDIATE"}
    assert refusal(ce.create_anomaly_subscription, AnomalySubscription=at_once) == "ValidationException"
    elsewhere = told | {"MonitorArnList": [arn[:-1] + "z"]}
    assert refusal(ce.create_anomaly_subscription, AnomalySubscription=elsewhere) == "UnknownMonitorException"
    made = ce.create_anomaly_subscription(AnomalySubscription=told, ResourceTags=[{"Key": "a", "Value": "b"}])
    ce.update_anomaly_subscription(SubscriptionArn=made["SubscriptionArn"], Frequency="WEEKLY")
    (found,) = ce.get_anomaly_subscriptions(MonitorArn=arn)["AnomalySubscriptions"]
    assert (found["Frequency"], found["Subscribers"][0]["Status"]) == ("WEEKLY", "CONFIRMED")
    assert ce.get_anomaly_monitors(MonitorArnList=[arn])["AnomalyMonitors"][0]["MonitorName"] == "costs"
    assert ce.list_tags_for_resource(ResourceArn=made["SubscriptionArn"])["ResourceTags"][0]["Key"] == "a"
    ce.delete_anomaly_subscription(SubscriptionArn=made["SubscriptionArn"])
    assert (
        ce.get_anomaly_subscriptions(SubscriptionArnList=[made["SubscriptionArn"]])["AnomalySubscriptions"]
        == []
    )
    ce.delete_anomaly_monitor(MonitorArn=arn)
    assert refusal(ce.get_anomaly_monitors, MonitorArnList=[arn]) == "UnknownMonitorException"


def test_invocation_logging_needs_destinations_that_take_logs(aws: Aws) -> None:
    bedrock, iam, s3 = aws.client("bedrock"), aws.client("iam"), aws.client("s3")
    put = bedrock.put_model_invocation_logging_configuration
    assert "loggingConfig" not in bedrock.get_model_invocation_logging_configuration()
    assert refusal(put, loggingConfig={"textDataDeliveryEnabled": True}) == "ValidationException"
    trust = '{"Version": "2012-10-17", "Statement": []}'
    role = iam.create_role(RoleName="logging", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    s3.create_bucket(Bucket="calls")
    aws.client("logs").create_log_group(logGroupName="calls")
    stream = {"cloudWatchConfig": {"logGroupName": "calls", "roleArn": role}}
    bucket = {"s3Config": {"bucketName": "calls"}}
    assert refusal(put, loggingConfig=stream) == "ValidationException"
    assert refusal(put, loggingConfig=bucket) == "ValidationException"
    allowed = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::calls/*"}
    statement = allowed | {"Principal": {"Service": "bedrock.amazonaws.com"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    s3.put_bucket_policy(Bucket="calls", Policy=document)
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName="logging", PolicyName="write", PolicyDocument=document)
    put(loggingConfig=stream | bucket)
    told = bedrock.get_model_invocation_logging_configuration()["loggingConfig"]
    assert (told["s3Config"], told["audioDataDeliveryEnabled"]) == (bucket["s3Config"], True)
    bedrock.delete_model_invocation_logging_configuration()
    assert "loggingConfig" not in bedrock.get_model_invocation_logging_configuration()


def test_a_trail_goes_by_its_arn(aws: Aws) -> None:
    aws.client("s3").create_bucket(Bucket="trail")
    cloudtrail = aws.client("cloudtrail")
    arn = cloudtrail.create_trail(Name="trail", S3BucketName="trail", IsMultiRegionTrail=True)["TrailARN"]
    cloudtrail.delete_trail(Name=arn)
    assert cloudtrail.list_trails()["Trails"] == []
    assert refusal(cloudtrail.delete_trail, Name=arn) == "TrailNotFoundException"


def test_motos_requests_are_checked_too_and_its_tags_stay_its_own(aws: Aws) -> None:
    wrong = {"LogGroupClass": "FAST"}
    logs = aws.client("logs")
    assert refusal(logs.create_log_group, logGroupName="x", logGroupClass=wrong["LogGroupClass"]) == (
        "ValidationException"
    )
    bedrock = aws.client("bedrock")
    arn = f"arn:aws:bedrock:us-east-1:{aws.account}:custom-model/amazon.titan/abcdefghijkl"
    assert refusal(bedrock.list_tags_for_resource, resourceARN=arn) == "ResourceNotFoundException"


def test_ids_may_be_as_a_document_writes_them(aws: Aws) -> None:
    vpc, subnets = aws.network("vpc-0123456789abcdef", ["snet-0123456789a", "snet-0123456789b"])
    ec2 = aws.client("ec2")
    assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["VpcId"] == "vpc-0123456789abcdef"
    found = ec2.describe_subnets(SubnetIds=subnets)["Subnets"]
    assert {each["SubnetId"] for each in found} == {"snet-0123456789a", "snet-0123456789b"}


def test_an_answer_that_aws_would_not_give_fails_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = "tests.simulators.aws.guardrails.Guardrails.listed"
    monkeypatch.setattr(lists, lambda *_: {"guardrails": [{"id": "UPPER", "extra": 1}]})
    with pytest.raises(AssertionError, match=r"ListGuardrails .*arn: required"), aws_server() as aws:
        aws.client("bedrock").list_guardrails()


def test_every_operation_of_an_extension_is_in_the_model() -> None:
    session = get_session()
    for extension in EXTENSIONS:
        model = session.get_service_model(extension.service)
        assert set(extension.operations()) <= set(model.operation_names)


SHAPES = [
    ({"name": "a b", **content(HATE)}, [".name: expected to match `[0-9a-zA-Z-_]+`, got `a b`"]),
    ({"name": 5, **content(HATE)}, [".name: expected `string`, got `int`"]),
    ({"name": "a", **content(HATE), "more": 1}, [".more: no such member"]),
    (content(HATE), [".name: required"]),
    (
        {"name": "a", **content({**HATE, "inputStrength": "MAX"})},
        [
            (
                ".contentPolicyConfig.filtersConfig[0].inputStrength: "
                "expected one of ['HIGH', 'LOW', 'MEDIUM', 'NONE'], got `MAX`"
            )
        ],
    ),
    (
        {"name": "", **content(HATE)},
        [".name: expected at least 1, got 0", ".name: expected to match `[0-9a-zA-Z-_]+`, got ``"],
    ),
    ({"name": "a", **content(HATE)}, []),
]


@pytest.mark.parametrize(("value", "wrong"), SHAPES)
def test_the_model_finds_what_is_wrong(value: Any, wrong: list[str]) -> None:
    shape = get_session().get_service_model("bedrock").operation_model("CreateGuardrail").input_shape
    assert list(faults(shape, value)) == wrong


@pytest.mark.parametrize(
    ("service", "operation", "asked", "code", "status"),
    [
        ("sts", "get_caller_identity", {}, "InvalidClientTokenId", 403),
        ("iam", "list_roles", {}, "InvalidClientTokenId", 403),
        ("ec2", "describe_vpcs", {}, "AuthFailure", 401),
        ("s3", "list_buckets", {}, "InvalidAccessKeyId", 403),
        ("kms", "list_keys", {}, "UnrecognizedClientException", 403),
        ("logs", "describe_log_groups", {}, "UnrecognizedClientException", 403),
        ("bedrock", "list_guardrails", {}, "UnrecognizedClientException", 403),
    ],
)
def test_a_stranger_is_refused_as_each_service_refuses(aws, service, operation, asked, code, status) -> None:
    client = boto3.client(
        service,
        endpoint_url=aws.url,
        region_name=aws.region,
        aws_access_key_id=STRANGER,
        aws_secret_access_key="unknown",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(ClientError) as refused:
        getattr(client, operation)(**asked)
    answer = refused.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert answer["Error"]["Message"]
