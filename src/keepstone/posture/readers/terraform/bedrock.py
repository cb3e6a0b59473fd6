"""Guardrails, invocation logging and customised models."""

from collections.abc import Iterator

from keepstone.posture.kinds import Kind
from keepstone.posture.readers.tree import count, each_of, given, pick, rows
from keepstone.posture.readers.world import Raw, World
from keepstone.posture.snapshot import Resource
from keepstone.posture.values import Unknown, Value


def _guardrail(raw: Raw, world: World) -> Iterator[Resource]:
    tree = raw.values
    private = "sensitive_information_policy_config"
    versions = world.satellites("aws_bedrock_guardrail_version", "guardrail_arn", raw)
    yield Resource(
        Kind.GUARDRAIL,
        raw.address,
        {
            "filters": each_of(
                rows(tree, "content_policy_config.filters_config"),
                type="type",
                input="input_strength",
                output="output_strength",
                input_action="input_action",
                output_action="output_action",
                input_enabled="input_enabled",
                output_enabled="output_enabled",
                input_modalities="input_modalities",
                output_modalities="output_modalities",
            ),
            "pii": _private(rows(tree, f"{private}.pii_entities_config")),
            "patterns": _private(rows(tree, f"{private}.regexes_config")),
            "words": count(rows(tree, "word_policy_config.words_config")),
            "word_lists": each_of(rows(tree, "word_policy_config.managed_word_lists_config"), type="type"),
            "topics": count(rows(tree, "topic_policy_config.topics_config")),
            "grounding": each_of(
                rows(tree, "contextual_grounding_policy_config.filters_config"),
                type="type",
                threshold="threshold",
            ),
            "key": given(tree, "kms_key_arn"),
            "versions": versions if isinstance(versions, Unknown) else len(versions),
        },
        raw.names(),
    )


def _private(blocks: Value) -> Value:
    return each_of(
        blocks,
        type="type",
        action="action",
        input_action="input_action",
        output_action="output_action",
        input_enabled="input_enabled",
        output_enabled="output_enabled",
    )


def _logging(raw: Raw, _: World) -> Iterator[Resource]:
    config = pick(raw.values, "logging_config")
    yield Resource(
        Kind.INVOCATION_LOGGING,
        raw.address,
        {
            **{name: pick(config, f"{name}_data_delivery_enabled") for name in _MEDIA},
            "destinations": _destinations(config),
            "log_group": pick(config, "cloudwatch_config.log_group_name"),
            "role": pick(config, "cloudwatch_config.role_arn"),
            "bucket": pick(config, "s3_config.bucket_name"),
            "prefix": pick(config, "s3_config.key_prefix"),
        },
    )


def _destinations(config: Value) -> Value:
    """Return where logs go; a block that stands there counts, whatever is not known in it."""
    found = {name: pick(config, path) for name, path in _DESTINATIONS.items()}
    unknown = next((each for each in found.values() if isinstance(each, Unknown)), None)
    return unknown if unknown is not None else tuple(name for name, block in found.items() if block)


_DESTINATIONS = {
    "cloudwatch": "cloudwatch_config",
    "s3": "s3_config",
    "large": "cloudwatch_config.large_data_delivery_s3_config",
}
_MEDIA = ("text", "image", "embedding", "video")


def _custom_model(raw: Raw, _: World) -> Iterator[Resource]:
    yield Resource(
        Kind.CUSTOM_MODEL,
        raw.address,
        {
            "subnets": rows(raw.values, "vpc_config.subnet_ids"),
            "security_groups": rows(raw.values, "vpc_config.security_group_ids"),
            "key": given(raw.values, "custom_model_kms_key_id"),
            "role": pick(raw.values, "role_arn"),
            "validators": count(rows(raw.values, "validation_data_config.validator")),
        },
    )


MAPPERS = {
    "aws_bedrock_custom_model": _custom_model,
    "aws_bedrock_guardrail": _guardrail,
    "aws_bedrock_model_invocation_logging_configuration": _logging,
}
SATELLITES = ("aws_bedrock_guardrail_version",)
