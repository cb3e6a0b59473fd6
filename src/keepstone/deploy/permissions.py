"""The least that each needs in AWS: who deploys, the gateway at work, each persona; and what nobody may do.

Every function returns an IAM policy document. Where an action knows no resource, the resource is `*`.
"""

from collections.abc import Iterator, Sequence

from keepstone.catalog.iam_actions import iam_actions
from keepstone.deploy.deployer import deployer, state_of
from keepstone.deploy.documents import Document, Place, allow, allow_key, document
from keepstone.deploy.permissions_models import INVOKE, LISTS, MANTLE, calling
from keepstone.deploy.permissions_personas import persona
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.identities import Persona
from keepstone.policy.schema.record import KmsEnvelope, S3Anchor
from keepstone.policy.schema.upstreams import BedrockUpstream

_APPLY = "bedrock:ApplyGuardrail"
_GATEWAY_ROLE = "arn:{partition}:iam::*:role/{prefix}-gateway"
_DEPLOYERS = "arn:{partition}:iam::*:role/*-deployer"


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
    upstreams = {name: each for name, each in policy.upstreams.items() if isinstance(each, BedrockUpstream)}
    own = {
        name: each
        for name, each in upstreams.items()
        if each.assume_role is None and each.bearer_token is None
    }
    statements: list[Document] = []
    if own:
        statements += calling(place, policy, own, [*INVOKE, "bedrock:CountTokens"])
        statements.append(allow(LISTS, ("*",)))
        guarded = {each.region for each in own.values() if each.guardrail is not None}
        statements += _guarded(place, sorted(guarded))
    roles = sorted({each.assume_role.arn for each in upstreams.values() if each.assume_role is not None})
    if roles:
        statements.append(allow(["sts:AssumeRole", "sts:TagSession"], roles))
    statements += _copying(place, policy)
    if isinstance(policy.retention.envelope, KmsEnvelope):
        statements += _wrapping(place, policy.retention.envelope)
    return document(statements)


def _copying(place: Place, policy: Policy) -> Iterator[Document]:
    """Yield what copies of the record and anchors take: they are written once, and read by their versions."""
    store = policy.record.store
    buckets = [] if store is None else [store.bucket]
    buckets += [each.bucket for each in policy.record.anchors if isinstance(each, S3Anchor)]
    for name in sorted(set(buckets)):
        bucket = f"arn:{place.partition}:s3:::{name}"
        lists = ["s3:GetBucketObjectLockConfiguration", "s3:ListBucket", "s3:ListBucketVersions"]
        yield allow(lists, (bucket,))
        reads = ["s3:GetObject", "s3:GetObjectVersion"]
        yield allow([*reads, "s3:PutObject", "s3:PutObjectRetention"], (f"{bucket}/*",))


def _wrapping(place: Place, envelope: KmsEnvelope) -> Iterator[Document]:
    """Yield what the key takes that wraps, and what those take that wrapped before."""
    region = envelope.place or place.region
    yield allow_key(place, region, envelope.kms_key_id, ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"])
    for former in envelope.former_key_ids:
        yield allow_key(place, region, former, ["kms:Decrypt"])


def _guarded(place: Place, regions: Sequence[str]) -> Iterator[Document]:
    """Yield what Bedrock asks of whoever calls with a guardrail: to apply it, and to use its key."""
    if not regions:
        return
    here = [f"arn:{place.partition}:{{}}:{region}:{place.account}:{{}}/*" for region in regions]
    by_bedrock = {"kms:ViaService": [f"bedrock.{region}.{place.dns_suffix}" for region in regions]}
    yield allow([_APPLY], [each.format("bedrock", "guardrail") for each in here])
    keys = [each.format("kms", "key") for each in here]
    yield allow(["kms:Decrypt"], keys) | {"Condition": {"StringEquals": by_bedrock}}


def service_control(place: Place, regions: Sequence[str]) -> Document:
    """Return what nobody in the organisation may do: call models unguarded, elsewhere, by a global profile.

    A call by `bedrock-mantle` has no place for a guardrail, so it is an unguarded one. The gateway's role may
    call unguarded: it inspects itself. A profile's call is seen in its destination's region, so it is let
    through by the profile's own region and name; what is denied there is `global.*`. Logging is deployers'.
    """
    everywhere = {"Effect": "Deny", "Action": [*INVOKE, MANTLE], "Resource": "*"}
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
    by_others = {"ArnNotLike": {"aws:PrincipalArn": place.fill(_DEPLOYERS)}}
    return document(
        [
            {"Sid": "NoUnguardedCalls", **everywhere, "Condition": unguarded},
            {"Sid": "NoCallsElsewhere", **everywhere, "Condition": elsewhere},
            {
                "Sid": "NoGlobalProfiles",
                **everywhere,
                "Action": list(INVOKE),
                "Resource": f"arn:{place.partition}:bedrock:*:*:inference-profile/global.*",
            },
            {
                "Sid": "LoggingStaysOn",
                "Effect": "Deny",
                "Action": [
                    "bedrock:DeleteModelInvocationLoggingConfiguration",
                    "bedrock:PutModelInvocationLoggingConfiguration",
                ],
                "Resource": "*",
                "Condition": by_others,
            },
        ]
    )
