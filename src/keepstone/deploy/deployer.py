"""What whoever runs Terraform needs in AWS: for the environment, for the gateway's home, for the state."""

from collections.abc import Iterable, Iterator, Mapping

from keepstone.catalog.iam_actions import Grant, home_actions, iam_actions
from keepstone.deploy.documents import Document, Place, allow, allow_key, document
from keepstone.policy.schema.deployment import S3State
from keepstone.policy.schema.document import Policy

_ROLES_AT_WORK = ("bedrock.amazonaws.com", "cloudtrail.amazonaws.com", "vpc-flow-logs.amazonaws.com")
_TASKS = ("ecs-tasks.amazonaws.com",)
_HOME_ROLES = ("arn:{partition}:iam::{account}:role/{prefix}-gateway*",)
_LINKED_ROLES = ("arn:{partition}:iam::{account}:role/aws-service-role/*",)
_LINKED = (
    "backup.amazonaws.com",
    "ecs.amazonaws.com",
    "ecs.application-autoscaling.amazonaws.com",
    "elasticache.amazonaws.com",
    "elasticfilesystem.amazonaws.com",
    "elasticloadbalancing.amazonaws.com",
    "rds.amazonaws.com",
    "wafv2.amazonaws.com",
)
_EVERYWHERE = ("*",)
_USES_OF_KEYS = frozenset({"kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKey"})
_BY_SERVICES = ("bedrock",)
_BY_SERVICES_OF_THE_HOME = ("elasticache", "elasticfilesystem", "rds", "secretsmanager")


def state_of(policy: Policy) -> S3State | None:
    """Return the bucket in which the policy keeps Terraform's state, if it does."""
    state = policy.deployment.state if policy.deployment is not None else None
    return state if isinstance(state, S3State) else None


def deployer(
    place: Place, types: Iterable[str], *, home: bool = False, state: S3State | None = None
) -> Document:
    """Return what Terraform needs to build, change and destroy resources of these types of the environment.

    With `home`, all of the gateway's home besides; with `state`, the state and its lock in a bucket.
    """
    wanted = _wanted(place, ((iam_actions(), types), (home_actions(), home_actions() if home else ())))
    anywhere = wanted[_EVERYWHERE]
    statements = []
    for where, actions in sorted(wanted.items()):
        once = actions if where == _EVERYWHERE else actions - anywhere
        if once - _USES_OF_KEYS:
            statements.append(allow(sorted(once - _USES_OF_KEYS), where))
        if once & _USES_OF_KEYS:
            statements.append(_by_services(place, once & _USES_OF_KEYS, where, home=home))
    statements.append(_passing(place, iam_actions()["aws_iam_role"][0].resources, _ROLES_AT_WORK))
    if home:
        statements.append(_passing(place, _HOME_ROLES, _TASKS))
        making = allow(["iam:CreateServiceLinkedRole"], map(place.fill, _LINKED_ROLES))
        statements.append(making | {"Condition": {"StringEquals": {"iam:AWSServiceName": list(_LINKED)}}})
    if state is not None:
        statements += _keeping(place, state)
    return document(statements)


def _wanted(
    place: Place, lists: Iterable[tuple[Mapping[str, tuple[Grant, ...]], Iterable[str]]]
) -> dict[tuple[str, ...], set[str]]:
    """Return the actions by the resources that they are on."""
    found: dict[tuple[str, ...], set[str]] = {_EVERYWHERE: {"sts:GetCallerIdentity"}}
    for grants, types in lists:
        for grant in (grant for kind in types for grant in grants[kind]):
            where = tuple(place.fill(arn) for arn in grant.resources)
            found.setdefault(where, set()).update(grant.actions)
    return found


def _by_services(place: Place, uses: Iterable[str], keys: Iterable[str], *, home: bool) -> Document:
    """Return a statement on keys for what services do with them while they make something."""
    names = (*_BY_SERVICES, *(_BY_SERVICES_OF_THE_HOME if home else ()))
    services = [f"{name}.{place.region}.{place.dns_suffix}" for name in names]
    return allow(sorted(uses), keys) | {"Condition": {"StringEquals": {"kms:ViaService": services}}}


def _passing(place: Place, roles: Iterable[str], services: Iterable[str]) -> Document:
    passing = allow(["iam:PassRole"], map(place.fill, roles))
    return passing | {"Condition": {"StringEquals": {"iam:PassedToService": list(services)}}}


def _keeping(place: Place, state: S3State) -> Iterator[Document]:
    """Yield what the state in a bucket takes: it is read and written, its lock also deleted."""
    bucket = f"arn:{place.partition}:s3:::{state.bucket}"
    yield allow(["s3:ListBucket"], (bucket,))
    yield allow(["s3:GetObject", "s3:PutObject"], (f"{bucket}/{state.key}", f"{bucket}/{state.key}.tflock"))
    yield allow(["s3:DeleteObject"], (f"{bucket}/{state.key}.tflock",))
    if state.kms_key_id:
        region = state.region or place.region
        yield allow_key(place, region, state.kms_key_id, ["kms:Decrypt", "kms:GenerateDataKey"])
