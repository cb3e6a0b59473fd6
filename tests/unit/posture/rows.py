"""The table of the checks: what spoils each, and of what it has to know."""

from typing import Any, NamedTuple

from tests.unit.posture.sound import (
    ACCOUNT,
    ALERTS,
    BUCKET_POLICY,
    GUARDRAIL,
    INVOKE,
    PLAIN,
    ROLE,
    SERVICE,
    TOPIC_POLICY,
    UNGUARDED,
    allow,
    containers,
    deny,
    document,
    entities,
    filters,
    frozen,
    metrics,
)


class Row(NamedTuple):
    """One way to spoil the sound account, and the attribute without which the check cannot tell."""

    check: str
    address: str
    bad: dict[str, Any]
    unknown: str


ANYBODY = allow(Principal="*", Action="*", Resource="*")
UNBOUND = allow(Principal=SERVICE, Action="*", Resource="*")
EVERYTHING = allow(Action="bedrock:*", Resource="*")

OWNER_TESTS = (
    {"ForAllValues:StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}},
    {"StringEqualsIfExists": {"aws:PrincipalAccount": ACCOUNT}},
    {"StringLike": {"aws:PrincipalOrgID": "o-*"}},
    {"StringLike": {"aws:PrincipalOrgID": ["o-abcdefghij", "?*"]}},
    {"StringLike": {"aws:PrincipalAccount": "????????????"}},
    {"StringLike": {"aws:SourceVpc": "vpc-*"}},
    {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:*"}},
    {"StringLike": {"aws:PrincipalArn": f"arn:aws:iam::*:{ACCOUNT}:*"}},
    {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:*:*:*"}},
)
"""Conditions that bind nothing: true where the key is absent, or for values that anybody has."""
ANY_ACCOUNT = (
    {"AWS": "arn:aws:iam::*:root"},
    {"AWS": ["arn:aws:iam::*:role/deployer"]},
    {"AWS": "arn:aws:iam::????????????:root"},
    {"AWS": "arn:aws:sts::*:assumed-role/*"},
    {"AWS": "arn:*"},
    {"Federated": "arn:aws:iam::*:saml-provider/x"},
)
"""Principals that are of no one account."""
DEPUTY_TESTS = (
    {"StringLike": {"aws:SourceAccount": "?*"}},
    {"StringLike": {"aws:SourceArn": "arn:aws:*"}},
    {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}},
    {"ForAllValues:StringEquals": {"aws:SourceAccount": ACCOUNT}},
    {"ArnLikeIfExists": {"aws:SourceArn": f"arn:aws:bedrock:*:{ACCOUNT}:*"}},
)
GUARDED = "bedrock:GuardrailIdentifier"
OPEN_DENIALS = (
    {"StringNotLike": {GUARDED: "*"}},
    {"StringNotLike": {GUARDED: [GUARDRAIL, "arn:aws:bedrock:*"]}},
    {"StringNotLike": {GUARDED: "arn:aws:bedrock:*:*:guardrail/*"}},
    {"Null": {GUARDED: "true"}},
    {"StringEquals": {GUARDED: GUARDRAIL}},
    {"ForAnyValue:StringNotEquals": {GUARDED: GUARDRAIL}},
    {"StringNotEquals": {"aws:PrincipalTag/guardrail": GUARDRAIL}},
)
"""Denials that let calls with no guardrail pass, or calls with any."""
OPEN_ALLOWANCES = (
    {"ArnNotEquals": {GUARDED: GUARDRAIL}},
    {"ArnNotLike": {GUARDED: GUARDRAIL}},
    {"StringEqualsIfExists": {GUARDED: GUARDRAIL}},
    {"ArnEqualsIfExists": {GUARDED: GUARDRAIL}},
    {"ForAllValues:StringEquals": {GUARDED: GUARDRAIL}},
    {"StringLike": {GUARDED: "*"}},
    {"StringLike": {GUARDED: [GUARDRAIL, "arn:aws:bedrock:*:*:guardrail/*"]}},
    {"StringLike": {GUARDED: "${aws:PrincipalTag/guardrail}"}},
)
"""Conditions under which calls with no guardrail are allowed, or calls with any."""
WEB = {"Federated": "arn:aws:iam::1:oidc-provider/token.actions.githubusercontent.com"}
SUBJECT = "token.actions.githubusercontent.com:sub"


def loose(check: str, address: str, name: str = "policy") -> tuple["Row", ...]:
    """Rows of a check that asks of whom a document speaks: anybody, bound by what binds nothing."""
    return tuple(
        Row(
            check,
            address,
            {name: document(allow(Principal="*", Action="*", Resource="*", Condition=test))},
            name,
        )
        for test in OWNER_TESTS
    ) + tuple(
        Row(check, address, {name: document(allow(Principal=each, Action="*", Resource="*"))}, name)
        for each in ANY_ACCOUNT
    )


def lent(check: str, address: str, name: str = "policy") -> tuple["Row", ...]:
    """Rows of a check against confused deputies: a service, bound by what binds nothing."""
    return tuple(
        Row(
            check,
            address,
            {name: document(allow(Principal=SERVICE, Action="*", Resource="*", Condition=test))},
            name,
        )
        for test in DEPUTY_TESTS
    )


def stated(check: str, action: str, *resources: str, address: str = "policy") -> tuple["Row", ...]:
    """Rows of a check of what a policy allows of which resources."""
    return tuple(
        Row(check, address, {"policy": document(allow(Action=action, Resource=each))}, "policy")
        for each in resources
    )


def let_in(*ranges: str) -> "Row":
    return Row("KS-NET-001", "ingress", {"ranges": ranges}, "ranges")


RUN_TIME = (
    Row("KS-LBR-001", "load_balancer", {"internal": False}, "internal"),
    Row("KS-LBR-002", "listener", {"tls_policy": "ELBSecurityPolicy-2016-08"}, "protocol"),
    Row("KS-LBR-002", "listener", {"tls_policy": None}, "tls_policy"),
    Row("KS-LBR-002", "listener", {"tls_policy": "ELBSecurityPolicy-TLS13-1-0-2021-06"}, "tls_policy"),
    Row("KS-LBR-002", "listener", {"tls_policy": "ELBSecurityPolicy-TLS-1-1-2017-01"}, "tls_policy"),
    Row("KS-LBR-002", "listener", {"protocol": "HTTP"}, "protocol"),
    Row("KS-LBR-002", "listener", {"protocol": "HTTP", "redirects_to": ("HTTP",)}, "protocol"),
    Row("KS-LBR-003", "load_balancer", {"logged": False}, "logged"),
    Row("KS-LBR-004", "load_balancer", {"drops_headers": False}, "drops_headers"),
    Row("KS-LBR-005", "load_balancer", {"protected": False}, "protected"),
    Row("KS-LBR-006", "firewall", {"before": "arn:aws:apigateway:us-east-1::/restapis/a"}, "before"),
    Row("KS-LBR-007", "target_group", {"protocol": "HTTP"}, "protocol"),
    Row("KS-TSK-001", "task", {"containers": containers(log=None)}, "containers"),
    Row("KS-TSK-001", "task", {"containers": containers(log="none")}, "containers"),
    Row("KS-TSK-002", "task", {"containers": containers(user=None)}, "containers"),
    Row("KS-TSK-002", "task", {"containers": containers(user="root")}, "containers"),
    Row("KS-TSK-002", "task", {"containers": containers(user="0:10001")}, "containers"),
    Row("KS-TSK-003", "task", {"containers": containers(read_only=False)}, "containers"),
    Row("KS-TSK-004", "task", {"containers": containers(privileged=True)}, "containers"),
    Row("KS-TSK-004", "task", {"network_mode": "host"}, "network_mode"),
    Row("KS-TSK-004", "task", {"pid_mode": "host"}, "pid_mode"),
    Row("KS-TSK-005", "task", {"containers": containers(image="keepstone:latest")}, "containers"),
    Row("KS-TSK-005", "task", {"containers": containers(image="keepstone@sha256:0")}, "containers"),
    Row("KS-TSK-006", "task", {"containers": containers(spoken=("PORT", "DB_PASSWORD"))}, "containers"),
    Row("KS-TSK-006", "task", {"containers": containers(spoken=("AWS_SECRET_ACCESS_KEY",))}, "containers"),
    Row("KS-TSK-007", "task", {"volumes": frozen({"tls": None, "iam": "ENABLED"})}, "volumes"),
    Row("KS-TSK-007", "task", {"volumes": frozen({"tls": "ENABLED", "iam": "DISABLED"})}, "volumes"),
    Row("KS-SVC-001", "service", {"public_ip": True}, "public_ip"),
    Row("KS-SVC-002", "service", {"shell": True}, "shell"),
    Row("KS-SVC-003", "service", {"task": "arn:aws:ecs:us-east-1:1:task-definition/gateway:2"}, "task"),
    Row("KS-DBS-001", "database", {"encrypted": False}, "encrypted"),
    Row("KS-DBS-001", "database", {"key": "alias/aws/rds"}, "key"),
    Row("KS-DBS-002", "database_endpoint", {"public": True}, "public"),
    Row("KS-DBS-003", "database", {"protected": False}, "protected"),
    Row("KS-DBS-004", "database", {"backup_days": 1}, "backup_days"),
    Row("KS-DBS-004", "database", {"backup_days": None}, "backup_days"),
    Row("KS-DBS-005", "database", {"logs": ()}, "logs"),
    Row("KS-DBS-006", "database", {"managed_password": False}, "managed_password"),
    Row("KS-DBS-007", "database", {"force_tls": None}, "force_tls"),
    Row("KS-CCH-001", "cache", {"at_rest": False}, "at_rest"),
    Row("KS-CCH-001", "cache", {"key": None}, "key"),
    Row("KS-CCH-002", "cache", {"in_transit": False}, "in_transit"),
    Row("KS-CCH-002", "cache", {"mode": "preferred"}, "mode"),
    Row("KS-CCH-003", "cache", {"users": ()}, "users"),
    Row("KS-EFS-001", "file_system", {"encrypted": False}, "encrypted"),
    Row("KS-EFS-001", "file_system", {"key": None}, "key"),
    Row("KS-EFS-002", "file_system", {"documents": ()}, "documents"),
    Row(
        "KS-EFS-002",
        "file_system",
        {"documents": (document(deny(Action="s3:*", Condition=PLAIN)),)},
        "documents",
    ),
    Row("KS-EFS-003", "file_system", {"backup": "DISABLED"}, "backup"),
    Row("KS-EFS-003", "file_system", {"backup": None}, "backup"),
    Row("KS-SEC-001", "secret", {"key": None}, "key"),
    Row("KS-SEC-002", "secret", {"recovery_days": 0}, "recovery_days"),
    Row("KS-SEC-003", "secret", {"rotated": False}, "rotated"),
    Row("KS-SEC-004", "secret", {"policy": document(ANYBODY)}, "policy"),
)
ROWS = (
    *RUN_TIME,
    *loose("KS-BKT-008", "bucket"),
    *loose("KS-KEY-003", "key"),
    *loose("KS-TOP-003", "topic"),
    *loose("KS-VPE-003", "endpoint_bedrock"),
    *loose("KS-IAM-010", "role", "trust"),
    *lent("KS-BKT-009", "bucket"),
    *lent("KS-KEY-004", "key"),
    *lent("KS-TOP-004", "topic"),
    *lent("KS-IAM-009", "role", "trust"),
    *lent("KS-LOG-009", "log_policy"),
    *(
        Row(check, address, {"policy": document(allow(Action=action, Resource="*"))}, "policy")
        for check, address in (("KS-IAM-001", "policy"), ("KS-VPE-002", "endpoint_bedrock"))
        for action in ("Bedrock:*", "bedrock:**", "bedrock*", "*:*", "b*", "bedrock:?*")
    ),
    *stated("KS-IAM-002", "bedrock:InvokeModel", "**", "arn:*", "arn:aws:bedrock:*", "arn:aws:bedrock:*:*:*"),
    *stated(
        "KS-IAM-002",
        "bedrock:InvokeModel",
        "arn:aws:bedrock:*::foundation-model/*",
        "arn:*:bedrock:*:*:foundation-model/?*",
        f"arn:aws:bedrock:*:{ACCOUNT}:inference-profile/*",
        f"arn:aws:bedrock:*:{ACCOUNT}:custom-model/*",
    ),
    *stated("KS-IAM-002", "bedrock-mantle:*", "*", "arn:aws:bedrock-mantle:*:*:project/*"),
    *stated("KS-IAM-001", "bedrock-mantle:*", "*"),
    *stated("KS-VPE-002", "bedrock-mantle:*", "*", address="endpoint_bedrock-mantle"),
    *stated("KS-IAM-003", "bedrock-mantle:*", "*"),
    *(
        Row("KS-IAM-003", "policy", {"policy": document(*statements)}, "policy")
        for statements in (
            ({**INVOKE, "Action": [*INVOKE["Action"], "bedrock-mantle:CreateInference"]}, UNGUARDED),
            (INVOKE, {**UNGUARDED, "Action": "bedrock:InvokeModel"}),
            *((INVOKE, {**UNGUARDED, "Condition": test}) for test in OPEN_DENIALS),
            *(({**INVOKE, "Condition": test},) for test in OPEN_ALLOWANCES),
        )
    ),
    *stated("KS-IAM-004", "iam:PassRole", "**", "arn:aws:iam::*:role/*", f"arn:aws:iam::{ACCOUNT}:*"),
    Row(
        "KS-IAM-004",
        "policy",
        {
            "policy": document(
                allow(
                    Action="iam:PassRole",
                    Resource="*",
                    Condition={"StringLike": {"iam:PassedToService": "*.amazonaws.com"}},
                )
            )
        },
        "policy",
    ),
    *stated(
        "KS-IAM-005", "kms:Decrypt", "**", "arn:*", "arn:aws:kms:*:*:key/*", f"arn:aws:kms:*:{ACCOUNT}:*"
    ),
    Row(
        "KS-IAM-003",
        "policy",
        {
            "policy": document(
                INVOKE,
                {
                    **UNGUARDED,
                    "Condition": {**UNGUARDED["Condition"], "StringEquals": {"aws:PrincipalTag/team": "no"}},
                },
            )
        },
        "policy",
    ),
    Row(
        "KS-IAM-003",
        "policy",
        {"policy": document(INVOKE, {**UNGUARDED, "Resource": "arn:aws:bedrock:*::foundation-model/other"})},
        "policy",
    ),
    *(
        Row("KS-BKT-004", "bucket", {"documents": (document({**BUCKET_POLICY[0], **change}),)}, "documents")
        for change in (
            {"Resource": "arn:aws:s3:::logs/x"},
            {"Resource": "arn:aws:s3:::logs/prefix/*"},
            {"Condition": {**PLAIN, "IpAddress": {"aws:SourceIp": "1.2.3.4/32"}}},
        )
    ),
    *(
        Row(
            "KS-IAM-010",
            "role",
            {"trust": document(allow(Principal=WEB, Action="sts:AssumeRoleWithWebIdentity", **condition))},
            "trust",
        )
        for condition in (
            {},
            {"Condition": {"StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"}}},
            {"Condition": {"StringLike": {SUBJECT: "repo:*"}}},
            {"Condition": {"StringEqualsIfExists": {SUBJECT: "repo:owner/name:ref:refs/heads/main"}}},
        )
    ),
    *(let_in(each) for each in ("1.2.3.4/0", "0.0.0.0/00", "0::/0", "::1/0", "0:0:0:0:0:0:0:0/0", "::/1")),
    let_in("0.0.0.0/1", "128.0.0.0/1"),
    let_in("2000::/3"),
    let_in("0.0.0.0/2", "64.0.0.0/2"),
    Row("KS-AGT-001", "agent", {"key": None}, "key"),
    Row("KS-AGT-001", "agent", {"key": "arn:aws:kms:us-east-1:1:alias/aws/bedrock"}, "key"),
    Row("KS-AGT-002", "agent", {"guardrail": None}, "guardrail"),
    Row("KS-AGT-003", "agent", {"guardrail_version": "DRAFT"}, "guardrail_version"),
    Row("KS-AGT-003", "agent", {"guardrail_version": None}, "guardrail_version"),
    Row("KS-AGT-004", "agent", {"role": None}, "role"),
    Row("KS-AGT-004", "agent", {"role": "arn:aws:iam::1:role/gone"}, "role"),
    Row("KS-AGT-005", "agent_two", {"role": ROLE}, "role"),
    Row("KS-AGT-006", "policy", {"policy": document(EVERYTHING)}, "policy"),
    Row("KS-AGT-007", "agent", {"idle_seconds": 5400}, "idle_seconds"),
    Row("KS-AGT-008", "action_group", {"enabled": True}, "enabled"),
    Row("KS-ALM-001", "alarm", {"metrics": metrics("AWS/Bedrock", "Invocations")}, "metrics"),
    Row("KS-ALM-002", "alarm_delivery", {"metrics": ()}, "metrics"),
    Row("KS-ALM-003", "alarm_guardrail", {"metrics": ()}, "metrics"),
    Row("KS-ALM-004", "alarm", {"actions": ()}, "actions"),
    Row("KS-ALM-004", "alarm", {"enabled": False}, "enabled"),
    Row("KS-ALM-005", "composite", {"actions": None}, "actions"),
    Row("KS-ALM-006", "alarm", {"metrics": metrics("AWS/Bedrock", "GuardrailsBlocked")}, "metrics"),
    Row(
        "KS-ALM-006",
        "alarm_guardrail",
        {"metrics": metrics("AWS/Bedrock/Guardrails", "InvocationsIntervened")},
        "metrics",
    ),
    Row("KS-ALM-007", "rule_jobs", {"targets": 0}, "targets"),
    Row("KS-ALM-008", "rule_changes", {"event_names": ("DeleteGuardrail",)}, "event_names"),
    Row("KS-BKT-001", "bucket", {"public_access": None}, "public_access"),
    Row("KS-BKT-001", "bucket", {"public_access": ("block_public_acls",)}, "public_access"),
    Row("KS-BKT-002", "bucket", {"algorithm": "AES256"}, "algorithm"),
    Row("KS-BKT-002", "bucket", {"key": None}, "key"),
    Row("KS-BKT-003", "bucket", {"versioning": "Suspended"}, "versioning"),
    Row("KS-BKT-004", "bucket", {"documents": (document(*BUCKET_POLICY[1:]),)}, "documents"),
    Row("KS-BKT-004", "bucket", {"documents": (document(*BUCKET_POLICY), document(ANYBODY))}, "documents"),
    Row("KS-BKT-004", "bucket", {"documents": ()}, "documents"),
    Row("KS-BKT-005", "bucket", {"documents": (document(*BUCKET_POLICY[:1]),)}, "documents"),
    Row("KS-BKT-006", "bucket", {"ownership": None}, "ownership"),
    Row("KS-BKT-007", "bucket", {"expires": False}, "expires"),
    Row("KS-BKT-008", "bucket", {"policy": document(ANYBODY)}, "policy"),
    Row("KS-BKT-009", "bucket", {"policy": document(UNBOUND)}, "policy"),
    Row("KS-BUD-001", "budget", {"notifications": ()}, "notifications"),
    Row("KS-BUD-001", "budget", {"notifications": (True, False)}, "notifications"),
    Row("KS-BUD-002", "spend", {"subscribers": 0}, "subscribers"),
    Row("KS-CMO-001", "custom_model", {"subnets": ()}, "subnets"),
    Row("KS-CMO-002", "custom_model", {"security_groups": ()}, "security_groups"),
    Row("KS-CMO-003", "custom_model", {"key": None}, "key"),
    Row("KS-CMO-004", "custom_model", {"validators": 0}, "validators"),
    Row("KS-GRD-001", "guardrail", {"filters": filters(PROMPT_ATTACK=("MEDIUM", "NONE"))}, "filters"),
    Row("KS-GRD-001", "guardrail", {"filters": ()}, "filters"),
    *(
        Row(check, "guardrail", {"filters": found}, "filters")
        for check in ("KS-GRD-001", "KS-GRD-006")
        for found in (filters(modalities=("IMAGE",)), filters(modalities=("AUDIO", "IMAGE")))
    ),
    Row("KS-GRD-007", "guardrail", {"filters": (*filters(), *filters(HATE=("LOW", "HIGH")))}, "filters"),
    Row("KS-GRD-002", "guardrail", {"pii": ()}, "pii"),
    Row("KS-GRD-003", "guardrail", {"pii": entities(EMAIL="NONE")}, "pii"),
    Row("KS-GRD-004", "guardrail", {"pii": entities(PASSWORD="ANONYMIZE")}, "pii"),
    Row("KS-GRD-005", "guardrail", {"key": None}, "key"),
    Row("KS-GRD-006", "guardrail", {"filters": filters(INSULTS=("NONE", "HIGH"))}, "filters"),
    Row("KS-GRD-007", "guardrail", {"filters": filters(HATE=("HIGH", "LOW"))}, "filters"),
    Row("KS-GRD-008", "guardrail", {"grounding": ()}, "grounding"),
    Row(
        "KS-GRD-009",
        "guardrail",
        {"grounding": frozen({"type": "GROUNDING", "threshold": 0.1})},
        "grounding",
    ),
    Row("KS-GRD-010", "guardrail", {"word_lists": ()}, "word_lists"),
    Row("KS-GRD-011", "guardrail", {"topics": 0}, "topics"),
    Row("KS-GRD-012", "guardrail", {"versions": 0}, "versions"),
    Row("KS-IAM-001", "policy", {"policy": document(EVERYTHING)}, "policy"),
    Row("KS-IAM-001", "policy", {"policy": document(allow(NotAction="iam:*", Resource="*"))}, "policy"),
    Row("KS-IAM-002", "policy", {"policy": document({**INVOKE, "Resource": "*"})}, "policy"),
    Row("KS-IAM-003", "policy", {"policy": document(INVOKE)}, "policy"),
    Row("KS-IAM-004", "policy", {"policy": document(allow(Action="iam:PassRole", Resource="*"))}, "policy"),
    Row("KS-IAM-005", "policy", {"policy": document(allow(Action="kms:*", Resource="*"))}, "policy"),
    Row(
        "KS-IAM-006",
        "policy",
        {"policy": document(allow(Action="aws-marketplace:*", Resource="*"))},
        "policy",
    ),
    Row("KS-IAM-007", "attachment", {"policy": "arn:aws:iam::aws:policy/AmazonBedrockFullAccess"}, "policy"),
    Row("KS-IAM-008", "role", {"boundary": None}, "boundary"),
    Row("KS-IAM-009", "role", {"trust": document(UNBOUND)}, "trust"),
    Row("KS-IAM-010", "role", {"trust": document(ANYBODY)}, "trust"),
    Row("KS-IAM-011", "api_key", {"expires_in_days": None}, "expires_in_days"),
    Row("KS-IAM-012", "grant", {"source_account": None}, "source_account"),
    Row("KS-KDB-001", "data_source", {"key": None}, "key"),
    Row("KS-KDB-002", "data_source", {"deletion_policy": "DELETE"}, "deletion_policy"),
    Row("KS-KDB-003", "data_source", {"bucket_owner": None}, "bucket_owner"),
    Row("KS-KDB-004", "crawler", {"scope": "SUBDOMAINS"}, "scope"),
    Row("KS-KDB-005", "collection_key", {"aws_owned_key": True}, "aws_owned_key"),
    Row("KS-KDB-006", "collection_net", {"public": True}, "public"),
    Row("KS-KDB-007", "knowledge_base", {"role": None}, "role"),
    Row("KS-KEY-001", "key", {"rotated": False}, "rotated"),
    Row("KS-KEY-002", "key", {"deletion_days": 7}, "deletion_days"),
    Row("KS-KEY-003", "key", {"policy": document(ANYBODY)}, "policy"),
    Row("KS-KEY-004", "key", {"policy": document(UNBOUND)}, "policy"),
    *(
        Row("KS-KEY-006", "key_grant", {"principal": each}, unknown)
        for each, unknown in (
            ("*", "principal"),
            ("arn:aws:iam::*:root", "principal"),
            ("arn:aws:iam::999999999999:role/theirs", "account"),
            ("arn:aws:sts::999999999999:assumed-role/theirs/session", "account"),
            (f"arn:aws:iam::{ACCOUNT}:role/*", "principal"),
            ("logs.us-east-1.amazonaws.com", "principal"),
        )
    ),
    Row("KS-KEY-005", "key", {"enabled": False}, "enabled"),
    Row("KS-LOG-001", "logging", {"destinations": ()}, "destinations"),
    Row("KS-LOG-002", "logging", {"text": False}, "text"),
    Row("KS-LOG-003", "logging", {"video": False}, "video"),
    Row("KS-LOG-004", "logging", {"destinations": ("cloudwatch",)}, "destinations"),
    Row("KS-LOG-005", "logging", {"prefix": "invocations/"}, "prefix"),
    Row("KS-LOG-006", "log_group", {"key": None}, "key"),
    Row("KS-LOG-007", "log_group", {"retention": 30}, "retention"),
    Row("KS-LOG-007", "log_group", {"retention": 0}, "retention"),
    Row("KS-LOG-008", "log_group", {"masked": False}, "masked"),
    Row("KS-LOG-009", "log_policy", {"policy": document(UNBOUND)}, "policy"),
    Row("KS-NET-001", "ingress", {"ranges": ("10.0.0.0/16", "::/0")}, "ranges"),
    Row("KS-NET-002", "ingress", {"ranges": ("10.0.0.0/8",)}, "ranges"),
    Row("KS-NET-003", "ingress", {"ranges": ("10.20.0.0/8",)}, "ranges"),
    Row("KS-NET-004", "ingress", {"from_port": 80}, "from_port"),
    Row("KS-NET-005", "flow_log", {"traffic": "ACCEPT"}, "traffic"),
    Row("KS-NET-006", "flow_log", {"destination": None}, "destination"),
    Row("KS-PRM-001", "prompt", {"key": None}, "key"),
    Row("KS-STU-001", "studio", {"key": None}, "key"),
    Row("KS-TOP-001", "topic", {"key": "alias/aws/sns"}, "key"),
    Row("KS-TOP-002", "key", {"policy": document(allow(Principal=ALERTS, Action="kms:Decrypt"))}, "policy"),
    Row("KS-TOP-003", "topic", {"policy": document(ANYBODY)}, "policy"),
    Row("KS-TOP-004", "topic", {"policy": document(UNBOUND)}, "policy"),
    Row("KS-TOP-005", "topic", {"documents": (document(TOPIC_POLICY[0]),)}, "documents"),
    Row("KS-TOP-005", "topic", {"documents": (document(*TOPIC_POLICY), document(ANYBODY))}, "documents"),
    *(
        Row("KS-TOP-005", "topic", {"documents": (document({**TOPIC_POLICY[1], **change}),)}, "documents")
        for change in (
            {"Condition": {**PLAIN, "IpAddress": {"aws:SourceIp": "1.2.3.4/32"}}},
            {"Principal": {"AWS": ROLE}},
            {"Action": "sns:Subscribe"},
        )
    ),
    Row("KS-TOP-006", "topic", {"subscribers": 0}, "subscribers"),
    Row("KS-TRL-001", "trail", {"management": False}, "management"),
    Row("KS-TRL-001", "trail", {"multi_region": False}, "multi_region"),
    Row("KS-TRL-002", "trail", {"key": None}, "key"),
    Row("KS-TRL-003", "trail", {"validated": False}, "validated"),
    Row("KS-TRL-004", "trail", {"log_group": None}, "log_group"),
    Row("KS-TRL-005", "trail", {"data_types": ("AWS::S3::Object",)}, "data_types"),
    Row("KS-TRL-005", "trail", {"data_types": ("AWS::Bedrock::AgentAlias",)}, "data_types"),
    Row(
        "KS-LOG-009",
        "log_policy",
        {"policy": document(ANYBODY)},
        "policy",
    ),
    Row("KS-TRL-006", "trail", {"logging": False}, "logging"),
    Row("KS-VPE-001", "endpoint_bedrock-mantle", {"service": "sts"}, "service"),
    Row("KS-VPE-002", "endpoint_bedrock", {"policy": document(EVERYTHING)}, "policy"),
    Row("KS-VPE-002", "endpoint_bedrock", {"policy": None}, "policy"),
    Row("KS-VPE-003", "endpoint_bedrock", {"policy": document(ANYBODY)}, "policy"),
    Row("KS-VPE-004", "endpoint_bedrock", {"private_dns": False}, "private_dns"),
    Row("KS-VPE-005", "endpoint_bedrock", {"subnets": ("subnet-1",)}, "subnets"),
    Row("KS-VPE-006", "endpoint_bedrock", {"security_groups": None}, "security_groups"),
    Row(
        "KS-VPE-007",
        "endpoint_bedrock",
        {"policy": document(allow(Principal="*", Action="bedrock:Invoke*", Resource="*"))},
        "policy",
    ),
)
