"""The metrics that Bedrock publishes in CloudWatch, by namespace.

Source: Amazon Bedrock user guide (monitoring, guardrails, agents, knowledge bases), looked at on 2026-11-21.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metrics:
    """The names in a namespace, and whether they have data only with dimensions."""

    names: frozenset[str]
    needs_dimensions: bool


BEDROCK_METRICS: Mapping[str, Metrics] = {
    "AWS/Bedrock": Metrics(
        frozenset(
            "Invocations InvocationLatency InvocationClientErrors InvocationServerErrors InvocationThrottles"
            " InputTokenCount OutputTokenCount OutputImageCount LegacyModelInvocations TimeToFirstToken"
            " EstimatedTPMQuotaUsage CacheReadInputTokens CacheWriteInputTokens"
            " CacheReadInputTokenCount CacheWriteInputTokenCount"
            " ModelInvocationLogsCloudWatchDeliverySuccess ModelInvocationLogsCloudWatchDeliveryFailure"
            " ModelInvocationLogsS3DeliverySuccess ModelInvocationLogsS3DeliveryFailure"
            " ModelInvocationLargeDataS3DeliverySuccess ModelInvocationLargeDataS3DeliveryFailure".split()
        ),
        needs_dimensions=False,
    ),
    "AWS/Bedrock/Guardrails": Metrics(
        frozenset(
            "Invocations InvocationLatency InvocationClientErrors InvocationServerErrors InvocationThrottles"
            " TextUnitCount InvocationsIntervened FindingCounts TotalFindings Latency".split()
        ),
        needs_dimensions=True,
    ),
    "AWS/Bedrock/Agents": Metrics(
        frozenset(
            "InvocationCount TotalTime TTFT InvocationThrottles InvocationServerErrors InvocationClientErrors"
            " ModelLatency ModelInvocationCount ModelInvocationThrottles ModelInvocationClientErrors"
            " ModelInvocationServerErrors InputTokenCount outputTokenCount OutputTokenCount".split()
        ),
        needs_dimensions=True,
    ),
    "AWS/Bedrock/KnowledgeBases": Metrics(
        frozenset("Invocations ClientErrors ServerErrors Throttles TotalIterationCount".split()),
        needs_dimensions=False,
    ),
}
