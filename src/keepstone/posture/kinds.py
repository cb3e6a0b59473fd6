"""The kinds of resources that checks judge, and the attributes that a reader can tell of each.

The names are ours and not those of Terraform or of an API, so that one check judges a plan, a state and a
live account alike. What a reader does not tell is unknown, never absent.
"""

from collections.abc import Mapping
from enum import StrEnum


class Kind(StrEnum):
    """What a resource is."""

    ACTION_GROUP = "action group"
    AGENT = "agent"
    ALARM = "alarm"
    API_KEY = "API key"
    ATTACHMENT = "policy attachment"
    BUCKET = "bucket"
    BUDGET = "budget"
    CACHE = "cache"
    COLLECTION_POLICY = "vector collection policy"
    COMPOSITE_ALARM = "composite alarm"
    CUSTOM_MODEL = "custom model"
    DATA_SOURCE = "data source"
    DATABASE = "database"
    DATABASE_ENDPOINT = "database endpoint"
    ENDPOINT = "endpoint"
    EVENT_RULE = "event rule"
    FILE_SYSTEM = "file system"
    FIREWALL = "web firewall"
    FLOW_LOG = "flow log"
    GUARDRAIL = "guardrail"
    INGRESS = "ingress rule"
    INVOCATION_LOGGING = "invocation logging"
    KEY = "key"
    KEY_GRANT = "key grant"
    KNOWLEDGE_BASE = "knowledge base"
    LAMBDA_GRANT = "function permission"
    LISTENER = "listener"
    LOAD_BALANCER = "load balancer"
    LOG_GROUP = "log group"
    LOG_POLICY = "log resource policy"
    POLICY = "access policy"
    PROMPT = "prompt"
    ROLE = "role"
    SECRET = "secret"  # noqa: S105 - a kind
    SECURITY_GROUP = "security group"
    SERVICE = "service"
    SPEND_MONITOR = "spend monitor"
    STUDIO_WORKSPACE = "studio workspace"
    TARGET_GROUP = "target group"
    TASK = "task definition"
    TOPIC = "topic"
    TRAIL = "trail"


ATTRIBUTES: Mapping[Kind, frozenset[str]] = {
    kind: frozenset(names.split())
    for kind, names in {
        Kind.ACTION_GROUP: "agent signature enabled",
        Kind.AGENT: "role key guardrail guardrail_version idle_seconds model",
        Kind.ALARM: "metrics actions enabled",
        Kind.API_KEY: "service expires_in_days",
        Kind.ATTACHMENT: "policy to",
        Kind.BUCKET: "public_access algorithm key versioning ownership policy documents expires",
        Kind.BUDGET: "notifications",
        Kind.CACHE: "at_rest key in_transit mode users token",
        Kind.COLLECTION_POLICY: "type aws_owned_key public",
        Kind.COMPOSITE_ALARM: "actions enabled",
        Kind.CUSTOM_MODEL: "subnets security_groups key role validators",
        Kind.DATA_SOURCE: "type deletion_policy key bucket_owner scope",
        Kind.DATABASE: "encrypted key protected backup_days managed_password logs force_tls",
        Kind.DATABASE_ENDPOINT: "public",
        Kind.ENDPOINT: "service interface policy private_dns subnets security_groups",
        Kind.EVENT_RULE: "sources detail_types event_names statuses targets enabled",
        Kind.FILE_SYSTEM: "encrypted key documents backup",
        Kind.FIREWALL: "before",
        Kind.FLOW_LOG: "traffic destination",
        Kind.GUARDRAIL: "filters pii patterns words word_lists topics grounding key versions",
        Kind.INGRESS: "group protocol from_port to_port ranges",
        Kind.INVOCATION_LOGGING: "text image embedding video destinations log_group role bucket prefix",
        Kind.KEY: "rotated enabled deletion_days policy",
        Kind.KEY_GRANT: "principal account",
        Kind.KNOWLEDGE_BASE: "role storage",
        Kind.LAMBDA_GRANT: "principal source_arn source_account",
        Kind.LISTENER: "protocol tls_policy redirects_to",
        Kind.LOAD_BALANCER: "type internal drops_headers protected logged",
        Kind.LOG_GROUP: "key retention masked",
        Kind.LOG_POLICY: "policy",
        Kind.POLICY: "policy",
        Kind.PROMPT: "key",
        Kind.ROLE: "trust boundary policies",
        Kind.SECRET: "key recovery_days rotated policy",
        Kind.SECURITY_GROUP: "",
        Kind.SERVICE: "public_ip shell task",
        Kind.SPEND_MONITOR: "subscribers",
        Kind.STUDIO_WORKSPACE: "key",
        Kind.TARGET_GROUP: "protocol",
        Kind.TASK: "containers network_mode pid_mode family volumes",
        Kind.TOPIC: "key policy documents subscribers",
        Kind.TRAIL: "logging multi_region validated key log_group management data_types",
    }.items()
}
"""What can be told of each kind; a snapshot refuses any other name."""
