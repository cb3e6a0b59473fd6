"""Agents, knowledge bases, their sources and stores, prompts."""

import json
from collections.abc import Iterator

from keepstone.posture.kinds import Kind
from keepstone.posture.readers.tree import given, pick
from keepstone.posture.readers.world import Raw, World
from keepstone.posture.snapshot import Resource
from keepstone.posture.values import Unknown, Value


def _agent(raw: Raw, _: World) -> Iterator[Resource]:
    tree = raw.values
    yield Resource(
        Kind.AGENT,
        raw.address,
        {
            "role": given(tree, "agent_resource_role_arn"),
            "key": given(tree, "customer_encryption_key_arn"),
            "guardrail": given(tree, "guardrail_configuration.guardrail_identifier"),
            "guardrail_version": given(tree, "guardrail_configuration.guardrail_version"),
            "idle_seconds": pick(tree, "idle_session_ttl_in_seconds"),
            "model": pick(tree, "foundation_model"),
        },
        raw.names(),
    )


def _action_group(raw: Raw, _: World) -> Iterator[Resource]:
    state = pick(raw.values, "action_group_state")
    yield Resource(
        Kind.ACTION_GROUP,
        raw.address,
        {
            "agent": pick(raw.values, "agent_id"),
            "signature": pick(raw.values, "parent_action_group_signature"),
            "enabled": state if isinstance(state, Unknown) else state != "DISABLED",
        },
    )


def _knowledge_base(raw: Raw, _: World) -> Iterator[Resource]:
    yield Resource(
        Kind.KNOWLEDGE_BASE,
        raw.address,
        {"role": pick(raw.values, "role_arn"), "storage": pick(raw.values, "storage_configuration.type")},
        raw.names(),
    )


def _data_source(raw: Raw, _: World) -> Iterator[Resource]:
    config = pick(raw.values, "data_source_configuration")
    yield Resource(
        Kind.DATA_SOURCE,
        raw.address,
        {
            "type": pick(config, "type"),
            "deletion_policy": given(raw.values, "data_deletion_policy"),
            "key": given(raw.values, "server_side_encryption_configuration.kms_key_arn"),
            "bucket_owner": pick(config, "s3_configuration.bucket_owner_account_id"),
            "scope": pick(config, "web_configuration.crawler_configuration.scope"),
        },
    )


def _prompt(raw: Raw, _: World) -> Iterator[Resource]:
    yield Resource(Kind.PROMPT, raw.address, {"key": given(raw.values, "customer_encryption_key_arn")})


def _collection_policy(raw: Raw, _: World) -> Iterator[Resource]:
    """OpenSearch Serverless says encryption and network of its collections in JSON."""
    text = pick(raw.values, "policy")
    kind = pick(raw.values, "type")
    yield Resource(
        Kind.COLLECTION_POLICY,
        raw.address,
        {
            "type": kind,
            "aws_owned_key": _stated(text, "AWSOwnedKey"),
            "public": _stated(text, "AllowFromPublic"),
        },
    )


def _stated(text: Value, name: str) -> Value:
    """Return whether a rule of the document says `name`; left out is no."""
    if text is None or isinstance(text, Unknown):
        return text
    try:
        found = json.loads(text)
        return any(
            str(each.get(name)).lower() == "true" for each in (found if isinstance(found, list) else [found])
        )
    except (ValueError, AttributeError, RecursionError):
        return Unknown("the policy document cannot be read")


MAPPERS = {
    "aws_bedrockagent_agent": _agent,
    "aws_bedrockagent_agent_action_group": _action_group,
    "aws_bedrockagent_data_source": _data_source,
    "aws_bedrockagent_knowledge_base": _knowledge_base,
    "aws_bedrockagent_prompt": _prompt,
    "aws_opensearchserverless_security_policy": _collection_policy,
}
SATELLITES = (
    "aws_bedrockagent_agent_alias",
    "aws_bedrockagent_agent_knowledge_base_association",
    "aws_opensearchserverless_collection",
)
