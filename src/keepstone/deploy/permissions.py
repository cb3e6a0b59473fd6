"""The least that each needs in AWS: who deploys, the gateway at work, each persona; and what nobody may do.

Every function returns an IAM policy document. Where an action knows no resource, the resource is `*`.
"""

from collections.abc import Iterator, Mapping, Sequence

from keepstone.catalog.iam_actions import iam_actions
from keepstone.core.exchange import Operation
from keepstone.deploy.deployer import deployer, state_of
from keepstone.deploy.documents import Document, Place, allow, document
from keepstone.deploy.models import models_of
from keepstone.policy.personas import PERSONAS
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.identities import Persona
from keepstone.policy.schema.record import KmsEnvelope, S3Anchor
from keepstone.policy.schema.upstreams import BedrockUpstream

_INVOKE = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
_APPLY = "bedrock:ApplyGuardrail"
_CALLS: Mapping[Operation, tuple[str, ...]] = {
    Operation.CONVERSE: _INVOKE[:1],
    Operation.CONVERSE_STREAM: _INVOKE[1:],
    Operation.INVOKE_MODEL: _INVOKE[:1],
    Operation.INVOKE_MODEL_STREAM: _INVOKE[1:],
    Operation.COUNT_TOKENS: ("bedrock:CountTokens",),
    Operation.APPLY_GUARDRAIL: (_APPLY,),
}
_LISTS = (
    "bedrock:GetFoundationModel",
    "bedrock:GetInferenceProfile",
    "bedrock:ListFoundationModels",
    "bedrock:ListInferenceProfiles",
)
_GATEWAY_ROLE = "arn:{partition}:iam::*:role/{prefix}-gateway"
_GUARDRAILS = "arn:{partition}:bedrock:{region}:{account}:guardrail/*"
_LOG_GROUPS = "arn:{partition}:logs:{region}:{account}:log-group:/aws/*/{prefix}*"
_BUCKET = "arn:{partition}:s3:::{prefix}-logs-*"
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
        (("s3:GetBucketPolicy", "s3:GetObject", "s3:ListBucket"), (_BUCKET, f"{_BUCKET}/*")),
        (("kms:Decrypt", "kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus"), (_KEYS,)),
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


def for_whom(
    place: Place, policy: Policy, who: str, regions: Sequence[str], *, home: bool = False
) -> Document:
    """Return the document of `deployer` (`home`: the gateway's as well), `gateway`, `scp` or a persona."""
    match who:
        case "deployer":
            return deployer(place, iam_actions(), home=home, state=state_of(policy))
        case "gateway":
            return gateway(place, policy)
        case "scp":
            return service_control(place, regions)
        case _:
            return persona(place, policy, Persona(who))


def gateway(place: Place, policy: Policy) -> Document:
    """Return what the gateway's own role needs at work: its models, and where its record is copied to."""
    upstreams = [each for each in policy.upstreams.values() if isinstance(each, BedrockUpstream)]
    own = [each for each in upstreams if each.assume_role is None and each.bearer_token is None]
    statements = []
    if own:
        models = _models(place, policy, sorted({each.region for each in own}))
        statements += [allow([*_INVOKE, "bedrock:CountTokens"], models), allow(_LISTS, ("*",))]
        statements += _guarded(place, sorted({each.region for each in own if each.guardrail is not None}))
    roles = sorted({each.assume_role.arn for each in upstreams if each.assume_role is not None})
    if roles:
        statements.append(allow(["sts:AssumeRole", "sts:TagSession"], roles))
    store = policy.record.store
    buckets = [] if store is None else [store.bucket]
    buckets += [each.bucket for each in policy.record.anchors if isinstance(each, S3Anchor)]
    for name in sorted(set(buckets)):
        bucket = f"arn:{place.partition}:s3:::{name}"
        statements.append(allow(["s3:GetBucketObjectLockConfiguration", "s3:ListBucket"], (bucket,)))
        statements.append(allow(["s3:GetObject", "s3:PutObject", "s3:PutObjectRetention"], (f"{bucket}/*",)))
    if isinstance(policy.retention.envelope, KmsEnvelope):
        key = policy.retention.envelope.kms_key_id
        where = key if ":key/" in key else place.fill("arn:{partition}:kms:{region}:{account}:key/*")
        statements.append(allow(["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"], (where,)))
    return document(statements)


def _guarded(place: Place, regions: Sequence[str]) -> Iterator[Document]:
    """Yield what Bedrock asks of whoever calls with a guardrail: to apply it, and to use its key."""
    if not regions:
        return
    here = [f"arn:{place.partition}:{{}}:{region}:{place.account}:{{}}/*" for region in regions]
    by_bedrock = {"kms:ViaService": [f"bedrock.{region}.{place.dns_suffix}" for region in regions]}
    yield allow([_APPLY], [each.format("bedrock", "guardrail") for each in here])
    keys = [each.format("kms", "key") for each in here]
    yield allow(["kms:Decrypt"], keys) | {"Condition": {"StringEquals": by_bedrock}}


def persona(place: Place, policy: Policy, who: Persona) -> Document:
    """Return what a persona may do in AWS itself: its guarded calls, and what it reads or changes."""
    bounds = PERSONAS[who]
    regions = sorted({each.region for each in policy.upstreams.values() if isinstance(each, BedrockUpstream)})
    calls = sorted({action for each in bounds.operations for action in _CALLS.get(each, ())})
    statements = []
    if calls:
        of_models = [each for each in calls if each != _APPLY]
        if of_models:
            statements.append(allow(of_models, _models(place, policy, regions)))
        if _APPLY in calls:
            statements.append(allow([_APPLY], (place.fill(_GUARDRAILS),)))
        statements += [allow(_LISTS, ("*",)), _never_unguarded(place)]
    for actions, resources in _PERSONAL.get(who, ()):
        statements.append(allow(actions, [place.fill(each) for each in resources]))
    return document(statements)


def service_control(place: Place, regions: Sequence[str]) -> Document:
    """Return what nobody in the organisation may do: call models unguarded, elsewhere, by a global profile.

    The gateway's role may call unguarded: it inspects itself. A profile's call is seen in its destination's
    region, so it is let through by the profile's own region and name; what is denied there is `global.*`.
    """
    everywhere = {"Effect": "Deny", "Action": list(_INVOKE), "Resource": "*"}
    profiles = [
        f"arn:{place.partition}:bedrock:{region}:*:{kind}/*"
        for region in regions
        for kind in ("inference-profile", "application-inference-profile")
    ]
    unguarded = {
        "Null": {"bedrock:GuardrailIdentifier": "true"},
        "ArnNotLike": {"aws:PrincipalArn": place.fill(_GATEWAY_ROLE)},
    }
    elsewhere = {
        "StringNotEquals": {"aws:RequestedRegion": list(regions)},
        "ArnNotLikeIfExists": {"bedrock:InferenceProfileArn": profiles},
    }
    by_others = {"ArnNotLike": {"aws:PrincipalArn": f"arn:{place.partition}:iam::*:role/*-deployer"}}
    return document(
        [
            {"Sid": "NoUnguardedCalls", **everywhere, "Condition": unguarded},
            {"Sid": "NoCallsElsewhere", **everywhere, "Condition": elsewhere},
            {
                "Sid": "NoGlobalProfiles",
                **everywhere,
                "Resource": f"arn:{place.partition}:bedrock:*:*:inference-profile/global.*",
            },
            {
                "Sid": "LoggingStaysOn",
                "Effect": "Deny",
                "Action": ["bedrock:DeleteModelInvocationLoggingConfiguration"],
                "Resource": "*",
                "Condition": by_others,
            },
        ]
    )


def _models(place: Place, policy: Policy, regions: Sequence[str]) -> list[str]:
    """Return every foundation model in these regions and where profiles lead, and the account's profiles."""
    profiles = [
        f"arn:{place.partition}:bedrock:{each}:{place.account}:inference-profile/*" for each in regions
    ]
    reached = sorted({*regions, *models_of(policy).reached})
    return [*(f"arn:{place.partition}:bedrock:{each}::foundation-model/*" for each in reached), *profiles]


def _never_unguarded(place: Place) -> Document:
    guardrails = place.fill(_GUARDRAILS)
    return {
        "Sid": "NeverWithoutAGuardrail",
        "Effect": "Deny",
        "Action": list(_INVOKE),
        "Resource": "*",
        "Condition": {"StringNotLike": {"bedrock:GuardrailIdentifier": guardrails}},
    }
