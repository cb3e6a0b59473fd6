"""An account in which all is well, as a snapshot; every row of the checks' table spoils one thing of it."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from keepstone.posture.documents import parsed
from keepstone.posture.kinds import Kind
from keepstone.posture.snapshot import Provenance, Resource, Snapshot

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/00000000-0000-4000-8000-000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/agent"
OTHER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/other"
GUARDRAIL = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:guardrail/abcdefghijkl"
OURS = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
PLAIN = {"Bool": {"aws:SecureTransport": "false"}}
OLD = {"NumericLessThan": {"s3:TlsVersion": "1.2"}}


def document(*statements: Mapping[str, Any]) -> Any:
    return parsed(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


def allow(**parts: Any) -> dict[str, Any]:
    return {"Sid": "One", "Effect": "Allow", **parts}


def deny(**parts: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Principal": "*", "Resource": "*", **parts}


def frozen(*rows: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    return tuple(MappingProxyType(dict(row)) for row in rows)


def filters(*, modalities: tuple[str, ...] | None = None, **strengths: tuple[str, str]) -> Any:
    sound = dict.fromkeys(("SEXUAL", "VIOLENCE", "HATE", "INSULTS", "MISCONDUCT"), ("HIGH", "MEDIUM"))
    sound["PROMPT_ATTACK"] = ("HIGH", "NONE")
    sound.update(strengths)
    more = dict.fromkeys(("input_action", "output_action", "input_enabled", "output_enabled"))
    read = dict.fromkeys(("input_modalities", "output_modalities"), modalities)
    return frozen(
        *({"type": name, "input": a, "output": b, **more, **read} for name, (a, b) in sound.items())
    )


def entities(**actions: str) -> Any:
    secrets = ("AWS_ACCESS_KEY", "AWS_SECRET_KEY", "CREDIT_DEBIT_CARD_CVV", "PASSWORD", "PIN")
    sound = {**dict.fromkeys(secrets, "BLOCK"), "EMAIL": "ANONYMIZE", **actions}
    more = dict.fromkeys(("input_action", "output_action", "input_enabled", "output_enabled"))
    return frozen(*({"type": name, "action": action, **more} for name, action in sound.items()))


def metrics(namespace: str, *names: str, dimensions: tuple[str, ...] = ()) -> Any:
    return frozen(*({"namespace": namespace, "name": each, "dimensions": dimensions} for each in names))


def containers(**changes: Any) -> Any:
    sound = {
        "name": "gateway",
        "image": f"keepstone@sha256:{'0' * 64}",
        "user": "10001:10001",
        "privileged": False,
        "read_only": True,
        "log": "awslogs",
        "spoken": ("KEEPSTONE_PORT",),
    }
    return frozen(sound | changes)


BALANCER = f"arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:loadbalancer/app/gateway/1"
TASK = f"arn:aws:ecs:us-east-1:{ACCOUNT}:task-definition/gateway:3"
SERVICE = {"Service": "bedrock.amazonaws.com"}
ALERTS = {"Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com"]}
ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
KEY_POLICY = (
    allow(Principal=ROOT, Action="kms:*", Resource="*"),
    allow(Principal=ALERTS, Action=["kms:Decrypt", "kms:GenerateDataKey*"], Resource="*", Condition=OURS),
)
BUCKET_POLICY = (
    deny(Sid="Tls", Action="s3:*", Condition=PLAIN),
    deny(Sid="Tls12", Action="s3:*", Condition=OLD),
    allow(Principal=SERVICE, Action="s3:PutObject", Resource="*", Condition=OURS),
)
TOPIC_POLICY = (
    allow(Principal=ALERTS, Action="sns:Publish", Resource="*", Condition=OURS),
    deny(Action="sns:Publish", Condition=PLAIN),
)
INVOKE = allow(
    Action=["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"],
    Resource="arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
)
UNGUARDED = deny(
    Action=["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"],
    Condition={"StringNotEquals": {"bedrock:GuardrailIdentifier": GUARDRAIL}},
)
TRUST = allow(Principal=SERVICE, Action="sts:AssumeRole", Condition=OURS)
ENDPOINT_POLICY = allow(
    Principal="*",
    Action="bedrock:Get*",
    Resource="*",
    Condition={"StringEquals": {"aws:PrincipalAccount": ACCOUNT}},
)


def _endpoint(service: str) -> dict[str, Any]:
    return {
        "service": service,
        "interface": "Interface",
        "policy": document(ENDPOINT_POLICY),
        "private_dns": True,
        "subnets": ("subnet-1", "subnet-2"),
        "security_groups": ("sg-1",),
    }


def _alarm(found: Any) -> dict[str, Any]:
    return {"metrics": found, "actions": ("arn:aws:sns:us-east-1:1:t",), "enabled": True}


def _role(trust: Any, policies: tuple[str, ...]) -> dict[str, Any]:
    return {"trust": trust, "boundary": "arn:aws:iam::aws:policy/B", "policies": policies}


SOUND: Mapping[str, tuple[Kind, Mapping[str, Any]]] = {
    "action_group": (
        Kind.ACTION_GROUP,
        {"agent": "A", "signature": "AMAZON.CodeInterpreter", "enabled": False},
    ),
    "agent": (
        Kind.AGENT,
        {
            "role": ROLE,
            "key": KEY,
            "guardrail": GUARDRAIL,
            "guardrail_version": "1",
            "idle_seconds": 600,
            "model": "m",
        },
    ),
    "agent_two": (
        Kind.AGENT,
        {
            "role": OTHER_ROLE,
            "key": KEY,
            "guardrail": GUARDRAIL,
            "guardrail_version": "1",
            "idle_seconds": None,
            "model": "m",
        },
    ),
    "alarm": (
        Kind.ALARM,
        _alarm(
            metrics("AWS/Bedrock", "InvocationClientErrors", "InvocationServerErrors", "InvocationThrottles")
        ),
    ),
    "alarm_delivery": (
        Kind.ALARM,
        _alarm(
            metrics(
                "AWS/Bedrock",
                "ModelInvocationLogsCloudWatchDeliveryFailure",
                "ModelInvocationLogsS3DeliveryFailure",
                "ModelInvocationLargeDataS3DeliveryFailure",
            )
        ),
    ),
    "alarm_guardrail": (
        Kind.ALARM,
        _alarm(metrics("AWS/Bedrock/Guardrails", "InvocationsIntervened", dimensions=("Operation",))),
    ),
    "api_key": (Kind.API_KEY, {"service": "bedrock.amazonaws.com", "expires_in_days": 30}),
    "attachment": (Kind.ATTACHMENT, {"policy": "arn:aws:iam::1:policy/named", "to": "agent"}),
    "bucket": (
        Kind.BUCKET,
        {
            "public_access": (),
            "algorithm": "aws:kms",
            "key": KEY,
            "versioning": "Enabled",
            "ownership": "BucketOwnerEnforced",
            "policy": document(*BUCKET_POLICY),
            "documents": (document(*BUCKET_POLICY),),
            "expires": True,
        },
    ),
    "budget": (Kind.BUDGET, {"notifications": (True, True)}),
    "cache": (
        Kind.CACHE,
        {
            "at_rest": True,
            "key": KEY,
            "in_transit": True,
            "mode": "required",
            "users": ("gateway",),
            "token": False,
        },
    ),
    "database": (
        Kind.DATABASE,
        {
            "encrypted": True,
            "key": KEY,
            "protected": True,
            "backup_days": 35,
            "managed_password": True,
            "logs": ("postgresql",),
            "force_tls": True,
        },
    ),
    "database_endpoint": (Kind.DATABASE_ENDPOINT, {"public": False}),
    "file_system": (
        Kind.FILE_SYSTEM,
        {
            "encrypted": True,
            "key": KEY,
            "documents": (document(deny(Sid="Tls", Action="*", Condition=PLAIN)),),
            "backup": "ENABLED",
        },
    ),
    "firewall": (Kind.FIREWALL, {"before": BALANCER}),
    "listener": (
        Kind.LISTENER,
        {
            "protocol": "HTTPS",
            "tls_policy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
            "redirects_to": (None,),
        },
    ),
    "load_balancer": (
        Kind.LOAD_BALANCER,
        {
            "type": "application",
            "internal": True,
            "drops_headers": True,
            "protected": True,
            "logged": True,
        },
    ),
    "secret": (
        Kind.SECRET,
        {"key": KEY, "recovery_days": 30, "rotated": True, "policy": document(deny(Action="*"))},
    ),
    "service": (Kind.SERVICE, {"public_ip": False, "shell": False, "task": TASK}),
    "target_group": (Kind.TARGET_GROUP, {"protocol": "HTTPS"}),
    "task": (
        Kind.TASK,
        {
            "containers": containers(),
            "network_mode": "awsvpc",
            "pid_mode": None,
            "family": "gateway",
            "volumes": frozen({"tls": "ENABLED", "iam": "ENABLED"}),
        },
    ),
    "collection_key": (
        Kind.COLLECTION_POLICY,
        {"type": "encryption", "aws_owned_key": False, "public": False},
    ),
    "collection_net": (Kind.COLLECTION_POLICY, {"type": "network", "aws_owned_key": False, "public": False}),
    "composite": (Kind.COMPOSITE_ALARM, {"actions": ("arn",), "enabled": True}),
    "crawler": (
        Kind.DATA_SOURCE,
        {"type": "WEB", "deletion_policy": "RETAIN", "key": KEY, "bucket_owner": None, "scope": "HOST_ONLY"},
    ),
    "custom_model": (
        Kind.CUSTOM_MODEL,
        {"subnets": ("subnet-1",), "security_groups": ("sg-1",), "key": KEY, "role": ROLE, "validators": 1},
    ),
    "data_source": (
        Kind.DATA_SOURCE,
        {"type": "S3", "deletion_policy": "RETAIN", "key": KEY, "bucket_owner": ACCOUNT, "scope": None},
    ),
    **{
        f"endpoint_{name}": (Kind.ENDPOINT, _endpoint(name))
        for name in ("bedrock", "bedrock-runtime", "bedrock-agent", "bedrock-agent-runtime", "bedrock-mantle")
    },
    "flow_log": (Kind.FLOW_LOG, {"traffic": "ALL", "destination": "arn"}),
    "grant": (
        Kind.LAMBDA_GRANT,
        {"principal": "bedrock.amazonaws.com", "source_arn": None, "source_account": ACCOUNT},
    ),
    "group": (Kind.SECURITY_GROUP, {}),
    "guardrail": (
        Kind.GUARDRAIL,
        {
            "filters": filters(),
            "pii": entities(),
            "patterns": (),
            "words": 0,
            "word_lists": frozen({"type": "PROFANITY"}),
            "topics": 1,
            "grounding": frozen({"type": "GROUNDING", "threshold": 0.7}),
            "key": KEY,
            "versions": 1,
        },
    ),
    "ingress": (
        Kind.INGRESS,
        {"group": "sg-1", "protocol": "tcp", "from_port": 443, "to_port": 443, "ranges": ("10.20.0.0/16",)},
    ),
    "key": (
        Kind.KEY,
        {"rotated": True, "enabled": True, "deletion_days": 30, "policy": document(*KEY_POLICY)},
    ),
    "key_grant": (Kind.KEY_GRANT, {"principal": ROLE, "account": ACCOUNT}),
    "knowledge_base": (Kind.KNOWLEDGE_BASE, {"role": ROLE, "storage": "OPENSEARCH_SERVERLESS"}),
    "log_group": (Kind.LOG_GROUP, {"key": KEY, "retention": 90, "masked": True}),
    "log_policy": (
        Kind.LOG_POLICY,
        {"policy": document(allow(Principal=SERVICE, Action="logs:*", Resource="*", Condition=OURS))},
    ),
    "logging": (
        Kind.INVOCATION_LOGGING,
        {
            "text": True,
            "image": True,
            "embedding": True,
            "video": True,
            "log_group": "/aws/bedrock/invocations",
            "role": ROLE,
            "bucket": "logs",
            "prefix": "invocations",
            "destinations": ("cloudwatch", "s3", "large"),
        },
    ),
    "policy": (Kind.POLICY, {"policy": document(INVOKE, UNGUARDED)}),
    "prompt": (Kind.PROMPT, {"key": KEY}),
    "role": (Kind.ROLE, _role(document(TRUST), ("policy",))),
    "role_two": (Kind.ROLE, _role(document(TRUST), ("policy",))),
    "rule_changes": (
        Kind.EVENT_RULE,
        {
            "sources": ("aws.bedrock",),
            "detail_types": ("AWS API Call via CloudTrail",),
            "event_names": (
                "DeleteGuardrail",
                "UpdateGuardrail",
                "DeleteModelInvocationLoggingConfiguration",
            ),
            "statuses": (),
            "targets": 1,
            "enabled": True,
        },
    ),
    "rule_jobs": (
        Kind.EVENT_RULE,
        {
            "sources": ("aws.bedrock",),
            "detail_types": ("Model Customization Job State Change",),
            "event_names": (),
            "statuses": ("Failed",),
            "targets": 1,
            "enabled": True,
        },
    ),
    "spend": (Kind.SPEND_MONITOR, {"subscribers": 1}),
    "studio": (Kind.STUDIO_WORKSPACE, {"key": KEY}),
    "topic": (
        Kind.TOPIC,
        {
            "key": KEY,
            "policy": document(*TOPIC_POLICY),
            "documents": (document(*TOPIC_POLICY),),
            "subscribers": 1,
        },
    ),
    "trail": (
        Kind.TRAIL,
        {
            "logging": True,
            "multi_region": True,
            "validated": True,
            "key": KEY,
            "log_group": "arn",
            "management": True,
            "data_types": (
                "AWS::Bedrock::AgentAlias",
                "AWS::Bedrock::KnowledgeBase",
                "AWS::Bedrock::Guardrail",
            ),
        },
    ),
}

_NAMES = {
    "key": {KEY},
    "role": {ROLE},
    "role_two": {OTHER_ROLE},
    "group": {"sg-1"},
    "log_group": {"/aws/bedrock/invocations"},
    "guardrail": {GUARDRAIL},
    "load_balancer": {BALANCER},
    "task": {TASK},
}


def snapshot(
    address: str = "", change: Mapping[str, Any] | None = None, *, whole: bool = True, without: str = ""
) -> Snapshot:
    """Return the sound account with one resource changed, or one left out."""
    resources = []
    for at, (kind, attributes) in SOUND.items():
        if at != without:
            values = {**attributes, **(change or {})} if at == address else attributes
            resources.append(Resource(kind, at, values, frozenset(_NAMES.get(at, ()))))
    return Snapshot(Provenance("plan", "sound.json", "", "", "", "", whole=whole), tuple(resources))
