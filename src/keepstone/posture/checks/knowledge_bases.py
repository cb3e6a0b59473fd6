"""Knowledge bases: their sources, what happens to the data, stores of vectors; prompts; Bedrock Studio."""

from keepstone.posture.checks.encryption import own_key
from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Reading
from keepstone.posture.registry import check
from keepstone.posture.verdict import Opinion, not_applicable, require


@check("KS-KDB-001", of=Kind.DATA_SOURCE)
def transient_data_is_encrypted_with_own_key(source: Reading) -> Opinion:
    """What is kept while a source is read in is encrypted with a customer-managed key."""
    return own_key(source)


@check("KS-KDB-002", of=Kind.DATA_SOURCE)
def data_outlives_its_source(source: Reading) -> Opinion:
    """Deleting the source does not delete what the knowledge base learnt from it."""
    found = source["deletion_policy"]
    return require(found == "RETAIN", f"the deletion policy is `{found or 'DELETE'}`, expected `RETAIN`")


@check("KS-KDB-003", of=Kind.DATA_SOURCE)
def owner_of_the_bucket_is_named(source: Reading) -> Opinion:
    """The account of the source's bucket is said, so that nobody can put another under its name."""
    if source["type"] != "S3":
        return not_applicable("its data do not come from S3")
    return require(source.is_set("bucket_owner"), "the account that owns the bucket is not named")


@check("KS-KDB-004", of=Kind.DATA_SOURCE)
def crawler_stays_on_its_host(source: Reading) -> Opinion:
    """A crawler of web pages stays on the host that it is given."""
    if source["type"] != "WEB":
        return not_applicable("its data do not come from web pages")
    found = source["scope"]
    return require(found == "HOST_ONLY", f"the crawler's scope is `{found or 'the default'}`")


@check("KS-KDB-005", of=Kind.COLLECTION_POLICY)
def vectors_are_encrypted_with_own_key(policy: Reading) -> Opinion:
    """The collection of vectors is encrypted with a customer-managed key."""
    if policy["type"] != "encryption":
        return not_applicable("it is no encryption policy")
    return require(not policy["aws_owned_key"], "a key that AWS owns is used")


@check("KS-KDB-006", of=Kind.COLLECTION_POLICY)
def vectors_are_not_public(policy: Reading) -> Opinion:
    """The collection of vectors is not reached from the internet."""
    if policy["type"] != "network":
        return not_applicable("it is no network policy")
    return require(not policy["public"], "the collection is reached from the internet")


@check("KS-KDB-007", of=Kind.KNOWLEDGE_BASE)
def knowledge_base_has_a_role(base: Reading) -> Opinion:
    """The knowledge base has a service role."""
    return require(base.is_set("role"), "no service role is set")


@check("KS-PRM-001", of=Kind.PROMPT)
def prompt_is_encrypted_with_own_key(prompt: Reading) -> Opinion:
    """The prompt is encrypted with a customer-managed key."""
    return own_key(prompt)


@check("KS-STU-001", of=Kind.STUDIO_WORKSPACE)
def studio_workspace_is_encrypted_with_own_key(workspace: Reading) -> Opinion:
    """The workspace of Bedrock Studio, which AWS has ended, is encrypted with a customer-managed key."""
    return own_key(workspace)
