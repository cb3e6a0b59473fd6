# What a root module, a gateway or an auditor asks for.

output "kms_key_id" {
  description = "Id of the key."
  value       = aws_kms_key.this.key_id
}

output "kms_key_arn" {
  description = "ARN of the key."
  value       = aws_kms_key.this.arn
}

output "kms_key_alias" {
  description = "Alias of the key."
  value       = aws_kms_alias.this.name
}

output "logs_bucket_id" {
  description = "Name of the bucket of logs."
  value       = aws_s3_bucket.logs.id
}

output "logs_bucket_arn" {
  description = "ARN of the bucket of logs."
  value       = aws_s3_bucket.logs.arn
}

output "logs_bucket_domain_name" {
  description = "Domain name of the bucket of logs."
  value       = aws_s3_bucket.logs.bucket_domain_name
}

output "cloudwatch_log_group_name" {
  description = "Log group of invocations."
  value       = aws_cloudwatch_log_group.invocations.name
}

output "cloudwatch_log_group_arn" {
  description = "ARN of the log group of invocations."
  value       = aws_cloudwatch_log_group.invocations.arn
}

output "bedrock_logging_role_arn" {
  description = "ARN of the role by which Bedrock writes logs."
  value       = aws_iam_role.logging.arn
}

output "bedrock_logging_role_name" {
  description = "Name of the role by which Bedrock writes logs."
  value       = aws_iam_role.logging.name
}

output "bedrock_logging_policy_arn" {
  description = "ARN of that role's policy."
  value       = aws_iam_policy.logging.arn
}

output "bedrock_access_role_arn" {
  description = "ARN of the role by which people and programs use Bedrock."
  value       = aws_iam_role.access.arn
}

output "bedrock_access_policy_arn" {
  description = "ARN of that role's policy."
  value       = aws_iam_policy.access.arn
}

output "management_security_group_id" {
  description = "Security group of the control plane's endpoints."
  value       = aws_security_group.endpoint["management"].id
}

output "runtime_security_group_id" {
  description = "Security group of the runtime's endpoints."
  value       = aws_security_group.endpoint["runtime"].id
}

output "general_security_group_id" {
  description = "Security group of the other endpoints."
  value       = aws_security_group.endpoint["general"].id
}

output "bedrock_management_endpoint_id" {
  description = "Endpoint of `bedrock`; `null` where there is none."
  value       = lookup(local.endpoint_ids, "bedrock", null)
}

output "bedrock_management_endpoint_dns_entries" {
  description = "DNS names of the endpoint of `bedrock` that this module made."
  value       = try(aws_vpc_endpoint.this["bedrock"].dns_entry, [])
}

output "bedrock_runtime_endpoint_id" {
  description = "Endpoint of `bedrock-runtime`; `null` where there is none."
  value       = lookup(local.endpoint_ids, "bedrock-runtime", null)
}

output "bedrock_runtime_endpoint_dns_entries" {
  description = "DNS names of the endpoint of `bedrock-runtime` that this module made."
  value       = try(aws_vpc_endpoint.this["bedrock-runtime"].dns_entry, [])
}

output "bedrock_agent_endpoint_id" {
  description = "Endpoint of `bedrock-agent`; `null` where there is none."
  value       = lookup(local.endpoint_ids, "bedrock-agent", null)
}

output "bedrock_agent_endpoint_dns_entries" {
  description = "DNS names of the endpoint of `bedrock-agent` that this module made."
  value       = try(aws_vpc_endpoint.this["bedrock-agent"].dns_entry, [])
}

output "bedrock_agent_runtime_endpoint_id" {
  description = "Endpoint of `bedrock-agent-runtime`; `null` where there is none."
  value       = lookup(local.endpoint_ids, "bedrock-agent-runtime", null)
}

output "bedrock_agent_runtime_endpoint_dns_entries" {
  description = "DNS names of the endpoint of `bedrock-agent-runtime` that this module made."
  value       = try(aws_vpc_endpoint.this["bedrock-agent-runtime"].dns_entry, [])
}

output "bedrock_mantle_endpoint_id" {
  description = "Endpoint of `bedrock-mantle`; `null` where there is none."
  value       = lookup(local.endpoint_ids, "bedrock-mantle", null)
}

output "bedrock_mantle_endpoint_dns_entries" {
  description = "DNS names of the endpoint of `bedrock-mantle` that this module made."
  value       = try(aws_vpc_endpoint.this["bedrock-mantle"].dns_entry, [])
}

output "endpoint_ids" {
  description = "Every endpoint by service, those that were there already included."
  value       = local.endpoint_ids
}

output "endpoint_urls" {
  description = "Where the endpoints that this module made answer, by service, also where their private names do not lead."
  value       = { for service, each in aws_vpc_endpoint.this : service => "https://${each.dns_entry[0].dns_name}" if length(each.dns_entry) > 0 }
}

output "bedrock_guardrail_id" {
  description = "Id of the guardrail; `null` without one."
  value       = one(aws_bedrock_guardrail.this[*].guardrail_id)
}

output "bedrock_guardrail_arn" {
  description = "ARN of the guardrail; `null` without one."
  value       = one(aws_bedrock_guardrail.this[*].guardrail_arn)
}

output "bedrock_guardrail_version" {
  description = "The version that callers pin; `null` without a guardrail."
  value       = one(aws_bedrock_guardrail_version.this[*].version)
}

output "model_invocation_logging_enabled" {
  description = "Whether this deployment turned invocation logging on. `false` where another owns it."
  value       = length(aws_bedrock_model_invocation_logging_configuration.this) > 0
}

output "critical_alerts_topic_arn" {
  description = "Topic of critical alerts; `null` without alerting."
  value       = lookup(local.topic_arns, "critical", null)
}

output "performance_alerts_topic_arn" {
  description = "Topic of alerts on performance; `null` without alerting."
  value       = lookup(local.topic_arns, "performance", null)
}

output "cost_alerts_topic_arn" {
  description = "Topic of alerts on cost; `null` without alerting."
  value       = lookup(local.topic_arns, "cost", null)
}

output "alarm_arns" {
  description = "Every alarm by name."
  value       = merge({ for each in concat(values(aws_cloudwatch_metric_alarm.threshold), values(aws_cloudwatch_metric_alarm.anomaly), values(aws_cloudwatch_metric_alarm.training), aws_cloudwatch_metric_alarm.knowledge_base_latency, aws_cloudwatch_metric_alarm.calls, aws_cloudwatch_metric_alarm.tokens, aws_cloudwatch_metric_alarm.tokens_unusual) : each.alarm_name => each.arn }, { for each in values(aws_cloudwatch_composite_alarm.health) : each.alarm_name => each.arn })
}

output "cloudtrail_arn" {
  description = "ARN of the trail; `null` without one."
  value       = one(aws_cloudtrail.this[*].arn)
}

output "budget_arn" {
  description = "ARN of the monthly budget; `null` without one."
  value       = one(aws_budgets_budget.monthly[*].arn)
}

output "cost_anomaly_monitor_arn" {
  description = "ARN of the monitor of unusual cost; `null` without one."
  value       = one(aws_ce_anomaly_monitor.bedrock[*].arn)
}

output "solution_name" {
  description = "Name of the solution."
  value       = local.solution
}

output "environment" {
  description = "The environment."
  value       = var.environment
}

output "region" {
  description = "The region."
  value       = local.region
}

output "account_id" {
  description = "The account."
  value       = local.account
}

output "resource_prefix" {
  description = "What the names of resources begin with."
  value       = local.prefix
}

output "encryption_in_transit_enabled" {
  description = "Whether bucket and topics take nothing but TLS: this module always says so in their policies."
  value       = true
}

output "encryption_at_rest_enabled" {
  description = "Whether logs are encrypted at rest; topics, too, with `enable_sns_encryption`."
  value       = true
}

output "kms_customer_managed_keys_used" {
  description = "Whether a customer-managed key encrypts logs and guardrail."
  value       = true
}

output "vpc_endpoints_private_dns_enabled" {
  description = "Whether the services' own names lead to the endpoints."
  value       = var.enable_private_dns
}

output "guardrails_pii_protection_enabled" {
  description = "Whether a guardrail of this module handles personal data."
  value       = var.enable_guardrails
}

output "network_segmentation_implemented" {
  description = "Whether control plane and runtime have no range in common."
  value       = length(setintersection(local.management_cidrs, local.runtime_cidrs)) == 0
}

output "solution_summary" {
  description = "What was set up, in short."
  value = {
    environment  = var.environment
    region       = local.region
    endpoints    = sort(keys(local.endpoint_ids))
    guardrail    = one(aws_bedrock_guardrail.this[*].guardrail_id)
    logging      = length(aws_bedrock_model_invocation_logging_configuration.this) > 0
    alarms       = length(local.threshold_alarms) + length(local.anomaly_alarms)
    topics       = sort(keys(local.topics))
    read_as      = local.with_host_bits
    model_access = { role = aws_iam_role.access.arn, regions = var.allowed_model_regions, with_guardrail_only = local.enforces }
  }
}
