"""The explicit list of every check."""

from collections.abc import Mapping

from keepstone.posture.checks import (
    access,
    agents,
    alarms,
    buckets,
    containers,
    custom_models,
    endpoints,
    guardrails,
    keys,
    knowledge_bases,
    load_balancers,
    logging,
    money,
    network,
    stores,
    topics,
    trails,
)
from keepstone.posture.registry import Check, gathered

EVERY: Mapping[str, Check] = gathered(
    (
        access,
        agents,
        alarms,
        buckets,
        containers,
        custom_models,
        endpoints,
        guardrails,
        keys,
        knowledge_bases,
        load_balancers,
        logging,
        money,
        network,
        stores,
        topics,
        trails,
    )
)
