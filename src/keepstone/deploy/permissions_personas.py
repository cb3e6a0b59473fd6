"""What each persona may do in AWS itself, and what nobody of them may: to see raw prompts and answers.

Bedrock writes calls into a log group, where personal data is masked for whoever reads, and into a bucket,
where nothing is. The bucket's trail has no content; that is what is read there.
"""

from collections.abc import Iterator, Mapping, Sequence

from keepstone.core.exchange import Operation
from keepstone.deploy.documents import Document, Place, allow, document
from keepstone.deploy.permissions_models import INVOKE, LISTS, MANTLE, calling
from keepstone.policy.personas import PERSONAS
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.identities import Persona
from keepstone.policy.schema.upstreams import BedrockUpstream

_APPLY = "bedrock:ApplyGuardrail"
_CALLS: Mapping[Operation, tuple[str, ...]] = {
    Operation.CONVERSE: INVOKE[:1],
    Operation.CONVERSE_STREAM: INVOKE[1:],
    Operation.INVOKE_MODEL: INVOKE[:1],
    Operation.INVOKE_MODEL_STREAM: INVOKE[1:],
    Operation.COUNT_TOKENS: ("bedrock:CountTokens",),
    Operation.APPLY_GUARDRAIL: (_APPLY,),
}
_GUARDRAILS = "arn:{partition}:bedrock:{region}:{account}:guardrail/*"
_LOG_GROUPS = "arn:{partition}:logs:{region}:{account}:log-group:/aws/*/{prefix}*"
_INVOCATIONS = "arn:{partition}:logs:*:*:log-group:/aws/bedrock/{prefix}-invocations*"
_BUCKET = "arn:{partition}:s3:::{prefix}-logs-{account}-{region}"
_BUCKETS = "arn:{partition}:s3:::{prefix}-logs-*"
_TRAIL = (
    f"{_BUCKET}/cloudtrail/AWSLogs/*/CloudTrail/*",
    f"{_BUCKET}/cloudtrail/AWSLogs/*/CloudTrail-Digest/*",
)
# Whatever `s3_log_prefix` says comes before: Bedrock adds `AWSLogs/ACCOUNT/BedrockModelInvocationLogs/`.
_CONTENT = (f"{_BUCKETS}/*BedrockModelInvocationLogs/*", f"{_BUCKETS}/large-data/*")
_KEYS = "arn:{partition}:kms:{region}:{account}:key/*"
_Grants = tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
_PERSONAL: Mapping[Persona, _Grants] = {
    Persona.ML_ENGINEER: (
        (
            (
                "bedrock:CreateModelCustomizationJob",
                "bedrock:GetModelCustomizationJob",
                "bedrock:ListModelCustomizationJobs",
                "bedrock:StopModelCustomizationJob",
                "cloudwatch:DescribeAlarms",
                "cloudwatch:GetMetricData",
            ),
            ("*",),
        ),
    ),
    Persona.AUDITOR: (
        (
            (
                "bedrock:GetGuardrail",
                "bedrock:GetModelInvocationLoggingConfiguration",
                "bedrock:ListGuardrails",
                "cloudtrail:DescribeTrails",
                "cloudtrail:GetTrailStatus",
                "cloudtrail:LookupEvents",
                "cloudwatch:DescribeAlarms",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeVpcEndpoints",
            ),
            ("*",),
        ),
        (("logs:FilterLogEvents", "logs:GetLogEvents"), (_LOG_GROUPS,)),
        (("s3:GetBucketPolicy", "s3:ListBucket"), (_BUCKET,)),
        (("s3:GetObject", "s3:GetObjectVersion"), _TRAIL),
    ),
    Persona.SECURITY_OPERATOR: (
        (
            (
                "bedrock:GetModelInvocationLoggingConfiguration",
                "bedrock:ListGuardrails",
                "cloudtrail:LookupEvents",
                "cloudwatch:DescribeAlarmHistory",
                "cloudwatch:DescribeAlarms",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeVpcEndpoints",
            ),
            ("*",),
        ),
        (
            ("bedrock:CreateGuardrailVersion", "bedrock:GetGuardrail", "bedrock:UpdateGuardrail"),
            (_GUARDRAILS,),
        ),
        (("logs:FilterLogEvents", "logs:GetLogEvents"), (_LOG_GROUPS,)),
    ),
    Persona.BILLING: (
        (
            (
                "ce:GetAnomalies",
                "ce:GetAnomalyMonitors",
                "ce:GetCostAndUsage",
                "ce:GetCostForecast",
            ),
            ("*",),
        ),
        (("budgets:ViewBudget",), ("arn:{partition}:budgets::{account}:budget/{prefix}-*",)),
    ),
}


def persona(place: Place, policy: Policy, who: Persona) -> Document:
    """Return what a persona may do in AWS itself: its guarded calls, and what it reads or changes."""
    bounds = PERSONAS[who]
    calls = sorted({action for each in bounds.operations for action in _CALLS.get(each, ())})
    statements = list(_called(place, policy, calls)) if calls else []
    for actions, resources in _PERSONAL.get(who, ()):
        statements.append(allow(actions, [place.fill(each) for each in resources]))
    if who is Persona.AUDITOR:
        statements += _keys(place)
    elif _APPLY in calls:
        statements.append(_decrypting(place, "bedrock"))  # a guardrail is kept with the environment's key
    return document([*statements, *_never_content(place, policy)])


def _called(place: Place, policy: Policy, calls: Sequence[str]) -> Iterator[Document]:
    """Yield what calls take: the policy's models, and a guardrail of the account where they are called."""
    upstreams = {name: each for name, each in policy.upstreams.items() if isinstance(each, BedrockUpstream)}
    regions = sorted({place.region, *(each.region for each in upstreams.values())})
    guardrails = [f"arn:{place.partition}:bedrock:{region}:{place.account}:guardrail/*" for region in regions]
    yield from calling(place, policy, upstreams, [each for each in calls if each != _APPLY])
    if _APPLY in calls:
        yield allow([_APPLY], guardrails)
    yield allow(LISTS, ("*",))
    yield {
        "Sid": "NeverWithoutAGuardrail",
        "Effect": "Deny",
        "Action": [*INVOKE, MANTLE],
        "Resource": "*",
        "Condition": {"StringNotLike": {"bedrock:GuardrailIdentifier": guardrails}},
    }


def _keys(place: Place) -> Iterator[Document]:
    """Yield what reading by the environment's key takes; and to see how that key is kept."""
    yield _decrypting(place, "bedrock", "s3")
    seen = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus"]
    yield allow(seen, [place.fill(_KEYS)]) | {"Condition": _environments_key(place)}


def _decrypting(place: Place, *services: str) -> Document:
    """Return a statement that lets services decrypt with the environment's key."""
    via = [f"{each}.{place.region}.{place.dns_suffix}" for each in services]
    condition = {**_environments_key(place), "StringEquals": {"kms:ViaService": via}}
    return allow(["kms:Decrypt"], [place.fill(_KEYS)]) | {"Condition": condition}


def _environments_key(place: Place) -> Document:
    return {"ForAnyValue:StringEquals": {"kms:ResourceAliases": [f"alias/{place.prefix}"]}}


def _never_content(place: Place, policy: Policy) -> Iterator[Document]:
    """Yield denials of raw prompts and answers, whatever other policies allow."""
    never = {"Effect": "Deny"}
    content = [place.fill(each) for each in _CONTENT]
    objects = ["s3:GetObject", "s3:GetObjectVersion"]
    yield {"Sid": "NeverContentInTheBucket", **never, "Action": objects, "Resource": content}
    yield {"Sid": "NeverUnmasked", **never, "Action": ["logs:Unmask"], "Resource": "*"}
    variables = policy.deployment.variables if policy.deployment is not None else {}
    if variables.get("enable_log_data_protection", True) is not True:
        reads = ["logs:FilterLogEvents", "logs:GetLogEvents", "logs:GetLogRecord", "logs:StartQuery"]
        group = [place.fill(_INVOCATIONS)]
        yield {"Sid": "NothingIsMasked", **never, "Action": reads, "Resource": group}
