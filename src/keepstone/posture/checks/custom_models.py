"""Customisation jobs and the models that they make."""

from keepstone.posture.checks.encryption import own_key
from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Reading
from keepstone.posture.registry import check
from keepstone.posture.verdict import Opinion, require


@check("KS-CMO-001", of=Kind.CUSTOM_MODEL)
def job_runs_in_a_vpc(model: Reading) -> Opinion:
    """The job reads its data by way of a VPC."""
    return require(model.is_set("subnets"), "no subnets are set: data are read by the public network")


@check("KS-CMO-002", of=Kind.CUSTOM_MODEL)
def job_has_security_groups(model: Reading) -> Opinion:
    """The job's network interfaces have security groups."""
    return require(model.is_set("security_groups"), "no security groups are set")


@check("KS-CMO-003", of=Kind.CUSTOM_MODEL)
def custom_model_is_encrypted_with_own_key(model: Reading) -> Opinion:
    """The model is encrypted with a customer-managed key."""
    return own_key(model)


@check("KS-CMO-004", of=Kind.CUSTOM_MODEL)
def job_is_validated(model: Reading) -> Opinion:
    """The job measures the model on data that it was not trained with."""
    return require(model["validators"] > 0, "no validation data are set")
