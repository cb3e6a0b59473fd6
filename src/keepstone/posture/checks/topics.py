"""Topics of alerts: that they are heard, and by nobody else."""

from collections.abc import Iterable

from keepstone.posture.checks.encryption import own_key
from keepstone.posture.documents import (
    Statement,
    confused,
    denies_plain_requests,
    grants,
    names,
    offending,
    open_to_all,
    services,
    stated_in_each,
)
from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Account, Reading
from keepstone.posture.registry import account_check, check
from keepstone.posture.values import NotKnown, Unknown, known, some
from keepstone.posture.verdict import Opinion, failed, not_applicable, passed, require

_PUBLISHERS = ("cloudwatch.amazonaws.com", "events.amazonaws.com")


@check("KS-TOP-001", of=Kind.TOPIC)
def topic_is_encrypted_with_own_key(topic: Reading) -> Opinion:
    """The topic is encrypted with a customer-managed key."""
    return own_key(topic)


@check("KS-TOP-002", of=Kind.TOPIC)
def alerts_reach_the_encrypted_topic(topic: Reading) -> Opinion:
    """The topic's key lets CloudWatch and EventBridge publish."""
    if topic.raw("key") is None:
        return not_applicable("the topic is not encrypted")
    key = topic.one(Kind.KEY, "key")
    if key is None:
        value = known(topic.raw("key"))
        if "alias/aws/sns" in value:
            return failed("the key `alias/aws/sns` lets no other service publish: alarms reach nobody")
        return topic.account.lacks("the key of the topic is not")
    statements = key["policy"]
    mute = [service for service in _PUBLISHERS if not _let(statements or (), service)]
    return require(not mute, f"the key does not let publish: {', '.join(f'`{each}`' for each in mute)}")


def _let(statements: Iterable[Statement], service: str) -> bool:
    return some(statements, lambda each: _may(each, service))


def _may(statement: Statement, service: str) -> bool:
    return (
        service in services(statement)
        and grants(statement, "kms:Decrypt")
        and grants(statement, "kms:GenerateDataKey")
    )


@check("KS-TOP-003", of=Kind.TOPIC)
def topic_is_not_open_to_all(topic: Reading) -> Opinion:
    """Nobody outside of the account may publish or subscribe by the policy."""
    found = offending(topic["policy"], open_to_all)
    return require(not found, f"`{found}` lets anybody use the topic")


@check("KS-TOP-004", of=Kind.TOPIC)
def services_publish_for_this_account_only(topic: Reading) -> Opinion:
    """A service may publish only on behalf of this account."""
    found = offending(topic["policy"], lambda each: bool(confused(each)))
    return require(not found, f"`{found}` lets a service publish for any account")


@check("KS-TOP-005", of=Kind.TOPIC)
def topic_takes_tls_only(topic: Reading) -> Opinion:
    """Messages without TLS are denied."""
    denied = stated_in_each(
        topic["documents"], lambda each: denies_plain_requests(each) and names(each, "sns:Publish")
    )
    return require(denied, "no statement denies requests with `aws:SecureTransport` `false`")


@account_check("KS-TOP-006", where=[Kind.TOPIC])
def somebody_hears_alerts(account: Account) -> Opinion:
    """Somebody is subscribed to a topic of alerts."""
    topics = account.all(Kind.TOPIC)
    counts = [each.raw("subscribers") for each in topics]
    if any(not isinstance(each, Unknown) and each > 0 for each in counts):
        return passed()
    ours = {each.address for each in topics}
    for each in counts:
        if isinstance(each, Unknown):
            if each.sources and ours.issuperset(each.sources):
                return passed()  # there is a subscription, to one of these topics
            raise NotKnown(each.reason)
    return failed("nobody is subscribed to any topic: alarms go off and nobody hears them")
