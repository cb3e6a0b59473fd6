"""What of the module's kinds stands in an account, besides what every account has."""

from tests.simulators.aws.server import Aws


def standing(aws: Aws) -> dict[str, list[str]]:
    """Names of what is there, by kind; kinds without any are left out."""
    named = {
        "alarms": [
            each["AlarmName"]
            for kind, each in _each(
                aws.client("cloudwatch").describe_alarms(), "MetricAlarms", "CompositeAlarms"
            )
        ],
        "aliases": [
            each["AliasName"]
            for _, each in _each(aws.client("kms").list_aliases(), "Aliases")
            if not each["AliasName"].startswith("alias/aws/")
        ],
        "anomaly monitors": [
            each["MonitorName"]
            for _, each in _each(aws.client("ce").get_anomaly_monitors(), "AnomalyMonitors")
        ],
        "anomaly subscriptions": [
            each["SubscriptionName"]
            for _, each in _each(aws.client("ce").get_anomaly_subscriptions(), "AnomalySubscriptions")
        ],
        "buckets": [each["Name"] for _, each in _each(aws.client("s3").list_buckets(), "Buckets")],
        "budgets": [
            each["BudgetName"]
            for _, each in _each(aws.client("budgets").describe_budgets(AccountId=aws.account), "Budgets")
        ],
        "dashboards": [
            each["DashboardName"]
            for _, each in _each(aws.client("cloudwatch").list_dashboards(), "DashboardEntries")
        ],
        "endpoints": [
            each["VpcEndpointId"]
            for _, each in _each(aws.client("ec2").describe_vpc_endpoints(), "VpcEndpoints")
            if each["State"] != "deleted"
        ],
        "flow logs": [
            each["FlowLogId"] for _, each in _each(aws.client("ec2").describe_flow_logs(), "FlowLogs")
        ],
        "guardrails": [
            each["name"] for _, each in _each(aws.client("bedrock").list_guardrails(), "guardrails")
        ],
        "log groups": [
            each["logGroupName"] for _, each in _each(aws.client("logs").describe_log_groups(), "logGroups")
        ],
        "log policies": [
            each["policyName"]
            for _, each in _each(aws.client("logs").describe_resource_policies(), "resourcePolicies")
        ],
        "policies": [
            each["PolicyName"]
            for _, each in _each(aws.client("iam").list_policies(Scope="Local"), "Policies")
        ],
        "roles": [each["RoleName"] for _, each in _each(aws.client("iam").list_roles(), "Roles")],
        "rules": [each["Name"] for _, each in _each(aws.client("events").list_rules(), "Rules")],
        "security groups": [
            each["GroupName"]
            for _, each in _each(aws.client("ec2").describe_security_groups(), "SecurityGroups")
            if each["GroupName"] != "default"
        ],
        "topics": [each["TopicArn"] for _, each in _each(aws.client("sns").list_topics(), "Topics")],
        "trails": [each["Name"] for _, each in _each(aws.client("cloudtrail").list_trails(), "Trails")],
        "keys": _living_keys(aws),
        "invocation logging": list(
            aws.client("bedrock").get_model_invocation_logging_configuration().get("loggingConfig", {})
        ),
    }
    return {kind: sorted(names) for kind, names in named.items() if names}


def _each(answer: dict, *lists: str) -> list[tuple[str, dict]]:
    return [(name, each) for name in lists for each in answer.get(name, [])]


def _living_keys(aws: Aws) -> list[str]:
    kms = aws.client("kms")
    keys = [kms.describe_key(KeyId=each["KeyId"])["KeyMetadata"] for each in kms.list_keys()["Keys"]]
    return [each["KeyId"] for each in keys if each["KeyManager"] == "CUSTOMER" and each["Enabled"]]
