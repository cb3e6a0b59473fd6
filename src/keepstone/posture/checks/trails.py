"""CloudTrail: who did what is on record, and the record holds."""

from functools import partial
from operator import eq

from keepstone.posture.checks.encryption import own_key
from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Reading
from keepstone.posture.registry import check
from keepstone.posture.values import some
from keepstone.posture.verdict import Opinion, failed, require

_CALLED = ("AWS::Bedrock::AgentAlias", "AWS::Bedrock::KnowledgeBase", "AWS::Bedrock::Guardrail")


@check("KS-TRL-001", of=Kind.TRAIL)
def trail_records_management_events_everywhere(trail: Reading) -> Opinion:
    """The trail records management events of all regions."""
    if not trail["management"]:
        return failed("management events, calls of models among them, are left out in part or whole")
    return require(bool(trail["multi_region"]), "it records one region only")


@check("KS-TRL-002", of=Kind.TRAIL)
def trail_is_encrypted_with_own_key(trail: Reading) -> Opinion:
    """The trail's files are encrypted with a customer-managed key."""
    return own_key(trail)


@check("KS-TRL-003", of=Kind.TRAIL)
def trail_files_are_validated(trail: Reading) -> Opinion:
    """A changed or missing file is found out."""
    return require(bool(trail["validated"]), "log file validation is off")


@check("KS-TRL-004", of=Kind.TRAIL)
def trail_goes_to_a_log_group(trail: Reading) -> Opinion:
    """The trail is delivered to CloudWatch Logs, where alarms can read it."""
    return require(trail.is_set("log_group"), "it is delivered to no log group")


@check("KS-TRL-005", of=Kind.TRAIL)
def trail_records_data_events_of_bedrock(trail: Reading) -> Opinion:
    """Calls of agents, knowledge bases and guardrails are on record."""
    types = trail["data_types"]
    missing = [name for name in _CALLED if not some(types, partial(eq, name))]
    return require(not missing, f"not recorded: data events of {', '.join(f'`{each}`' for each in missing)}")


@check("KS-TRL-006", of=Kind.TRAIL)
def trail_is_on(trail: Reading) -> Opinion:
    """The trail records."""
    return require(bool(trail["logging"]), "recording is switched off")
