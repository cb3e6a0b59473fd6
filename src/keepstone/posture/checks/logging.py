"""Invocation logging and the log groups: what is kept, how it is protected, and from whom."""

from keepstone.posture.checks.encryption import own_key
from keepstone.posture.documents import confused, offending, open_to_all
from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Account, Reading
from keepstone.posture.registry import account_check, check
from keepstone.posture.values import some
from keepstone.posture.verdict import Opinion, failed, not_applicable, passed, require

LEAST_DAYS = 90
_USES_BEDROCK = (
    Kind.AGENT,
    Kind.CUSTOM_MODEL,
    Kind.GUARDRAIL,
    Kind.INVOCATION_LOGGING,
    Kind.KNOWLEDGE_BASE,
)


@account_check("KS-LOG-001", where=_USES_BEDROCK)
def invocations_are_logged(account: Account) -> Opinion:
    """Calls of models are logged somewhere."""
    configured = account.all(Kind.INVOCATION_LOGGING)
    if not configured:
        return account.lacks("there is no invocation logging")
    there = some(configured, lambda each: bool(each["destinations"]))
    return require(there, "logging is configured without a destination")


@check("KS-LOG-002", of=Kind.INVOCATION_LOGGING)
def text_is_logged(logging: Reading) -> Opinion:
    """Prompts and answers are in the log."""
    return require(logging["text"] is not False, "text is left out of the log")


@check("KS-LOG-003", of=Kind.INVOCATION_LOGGING)
def all_media_are_logged(logging: Reading) -> Opinion:
    """Images, embeddings and films are in the log."""
    left = [name for name in ("image", "embedding", "video") if logging[name] is False]
    return require(not left, f"left out of the log: {', '.join(left)}")


@check("KS-LOG-004", of=Kind.INVOCATION_LOGGING)
def large_bodies_have_a_place(logging: Reading) -> Opinion:
    """What is too large for CloudWatch is delivered to S3."""
    destinations = logging["destinations"]
    if "cloudwatch" not in destinations:
        return not_applicable("nothing is delivered to CloudWatch")
    there = "large" in destinations or "s3" in destinations
    return require(there, "bodies of more than 100 KB, and images, have no bucket to go to")


@check("KS-LOG-005", of=Kind.INVOCATION_LOGGING)
def log_prefix_has_no_slash_at_its_end(logging: Reading) -> Opinion:
    """The prefix in the bucket is what the bucket policy speaks of."""
    prefix = logging["prefix"] or ""
    return require(
        not prefix.endswith("/"), f"the prefix is `{prefix}`; Bedrock adds a slash, so there are two"
    )


@check("KS-LOG-006", of=Kind.LOG_GROUP)
def log_group_is_encrypted_with_own_key(group: Reading) -> Opinion:
    """The log group is encrypted with a customer-managed key."""
    return own_key(group)


@check("KS-LOG-007", of=Kind.LOG_GROUP)
def logs_are_kept_long_enough(group: Reading) -> Opinion:
    """Logs are kept for three months at least, and not for ever without a decision."""
    days = group["retention"]
    if not days:
        return failed("no retention is set: logs are kept for ever")
    return require(days >= LEAST_DAYS, f"logs are kept for {days} days, expected at least {LEAST_DAYS}")


@account_check("KS-LOG-008", where=[Kind.INVOCATION_LOGGING])
def personal_data_in_logs_is_masked(account: Account) -> Opinion:
    """The log group that gets prompts masks personal data for its readers."""
    for logging in account.all(Kind.INVOCATION_LOGGING):
        if "cloudwatch" not in logging["destinations"]:
            continue
        group = logging.one(Kind.LOG_GROUP, "log_group")
        if group is None:
            return account.lacks("the log group of invocation logging is not")
        if not group["masked"]:
            return failed("the log holds prompts as they were sent, whatever a guardrail masked")
    return passed()


@check("KS-LOG-009", of=Kind.LOG_POLICY)
def log_policy_is_bound_to_the_account(policy: Reading) -> Opinion:
    """A service may write to the logs only on behalf of this account."""
    found = offending(policy["policy"], lambda each: bool(confused(each)) or open_to_all(each))
    return require(not found, f"`{found}` lets a service, or anybody, write for any account")
