# What a plan of the module holds, with the provider's schema and none of its calls.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  environment = "production"
  vpc_id      = "vpc-0a1b2c3d4e5f60718"
  subnet_ids  = ["subnet-0a1b2c3d4e5f60718", "subnet-0b1b2c3d4e5f60718"]

  critical_alert_subscriptions  = { ops = { protocol = "email", endpoint = "ops@example.com" } }
  knowledge_base_latency_metric = { namespace = "Platform/Retrieval", name = "Latency" }
}

run "with_the_least_input" {
  command = apply

  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "the key is not rotated"
  }

  assert {
    condition     = aws_kms_key.this.deletion_window_in_days == 30
    error_message = "the key can be lost at once"
  }

  assert {
    condition     = aws_s3_bucket.logs.bucket == "production-bedrock-logs-123456789012-us-east-1"
    error_message = "the bucket has another name"
  }

  assert {
    condition     = aws_s3_bucket_public_access_block.logs.block_public_acls && aws_s3_bucket_public_access_block.logs.block_public_policy && aws_s3_bucket_public_access_block.logs.ignore_public_acls && aws_s3_bucket_public_access_block.logs.restrict_public_buckets
    error_message = "the bucket can be made public"
  }

  assert {
    condition     = aws_s3_bucket_versioning.logs.versioning_configuration[0].status == "Enabled"
    error_message = "the bucket has no versions"
  }

  assert {
    condition     = one(aws_s3_bucket_ownership_controls.logs.rule).object_ownership == "BucketOwnerEnforced"
    error_message = "the bucket takes ACLs"
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.logs.rule).apply_server_side_encryption_by_default).sse_algorithm == "aws:kms"
    error_message = "the bucket is not encrypted by the key"
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.logs.rule).bucket_key_enabled
    error_message = "the bucket key is off"
  }

  assert {
    condition     = length(aws_s3_bucket_object_lock_configuration.logs) == 0
    error_message = "objects are locked without being asked"
  }

  assert {
    condition     = aws_cloudwatch_log_group.invocations.retention_in_days == 90
    error_message = "logs are kept for another time"
  }

  assert {
    condition     = aws_cloudwatch_log_group.invocations.name == "/aws/bedrock/production-bedrock-invocations"
    error_message = "the log group has another name"
  }

  assert {
    condition     = strcontains(aws_cloudwatch_log_data_protection_policy.invocations[0].policy_document, "Deidentify")
    error_message = "personal data stays readable in the log"
  }

  assert {
    condition     = aws_bedrock_model_invocation_logging_configuration.this[0].logging_config.text_data_delivery_enabled
    error_message = "prompts are not logged"
  }

  assert {
    condition     = aws_bedrock_model_invocation_logging_configuration.this[0].logging_config.s3_config.key_prefix == "invocations"
    error_message = "the prefix is another one"
  }

  assert {
    condition     = length(aws_vpc_endpoint.this) == 9
    error_message = "there are not nine endpoints"
  }

  assert {
    condition     = aws_vpc_endpoint.this["bedrock-runtime"].service_name == "com.amazonaws.us-east-1.bedrock-runtime"
    error_message = "the runtime has another name"
  }

  assert {
    condition     = alltrue([for each in values(aws_vpc_endpoint.this) : each.private_dns_enabled])
    error_message = "an endpoint has no private name"
  }

  assert {
    condition     = alltrue([for each in values(aws_vpc_endpoint.this) : each.vpc_endpoint_type == "Interface"])
    error_message = "an endpoint is no interface"
  }

  assert {
    condition     = length(aws_vpc_endpoint.s3) == 0
    error_message = "there is a gateway endpoint without route tables"
  }

  assert {
    condition     = alltrue(flatten([for group in values(aws_security_group.endpoint) : [for each in group.ingress : each.from_port == 443 && each.to_port == 443 && each.protocol == "tcp"]]))
    error_message = "another port than 443 is open"
  }

  assert {
    condition     = length(flatten([for group in values(aws_security_group.endpoint) : [for each in group.ingress : each]])) == 4
    error_message = "there are not four rules"
  }

  assert {
    condition     = toset(flatten([for group in values(aws_security_group.endpoint) : [for each in group.ingress : each.cidr_blocks]])) == toset(["10.20.0.0/16", "10.30.0.0/16", "10.40.0.0/16", "10.0.0.0/16"])
    error_message = "other ranges come in"
  }

  assert {
    condition     = aws_bedrock_guardrail.this[0].name == "production-bedrock"
    error_message = "the guardrail has another name"
  }

  assert {
    condition     = length(aws_bedrock_guardrail.this[0].content_policy_config[0].filters_config) == 6
    error_message = "a content filter is missing"
  }

  assert {
    condition     = alltrue([for each in aws_bedrock_guardrail.this[0].content_policy_config[0].filters_config : each.input_strength == "HIGH"])
    error_message = "a filter is not HIGH"
  }

  assert {
    condition     = one([for each in aws_bedrock_guardrail.this[0].content_policy_config[0].filters_config : each.output_strength if each.type == "PROMPT_ATTACK"]) == "NONE"
    error_message = "prompt attacks have an output strength, which Bedrock refuses"
  }

  assert {
    condition     = length(aws_bedrock_guardrail.this[0].sensitive_information_policy_config[0].pii_entities_config) == 31
    error_message = "a kind of personal data is missing"
  }

  assert {
    condition     = alltrue([for each in aws_bedrock_guardrail.this[0].sensitive_information_policy_config[0].pii_entities_config : each.action == "BLOCK" if contains(["PASSWORD", "PIN", "AWS_SECRET_KEY", "AWS_ACCESS_KEY", "CREDIT_DEBIT_CARD_CVV"], each.type)])
    error_message = "a secret is masked only"
  }

  assert {
    condition     = one([for each in aws_bedrock_guardrail.this[0].sensitive_information_policy_config[0].pii_entities_config : each.action if each.type == "EMAIL"]) == "ANONYMIZE"
    error_message = "personal data is not masked"
  }

  assert {
    condition     = aws_bedrock_guardrail_version.this[0].skip_destroy
    error_message = "old versions are taken away from callers"
  }

  assert {
    condition     = aws_iam_role.access.name == "JQ-12345678-Bedrock"
    error_message = "the role has another name"
  }

  assert {
    condition     = aws_iam_role.access.permissions_boundary == null
    error_message = "there is a boundary that nobody asked for"
  }

  assert {
    condition     = length(aws_sns_topic.alerts) == 3
    error_message = "there are not three topics"
  }

  assert {
    condition     = length(aws_sns_topic_subscription.alerts) == 1
    error_message = "there is not one subscription"
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.threshold) == 16
    error_message = "there are not sixteen alarms on thresholds"
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.anomaly) == 3
    error_message = "there are not three alarms on anomalies"
  }

  assert {
    condition     = alltrue([for each in concat(values(aws_cloudwatch_metric_alarm.threshold), values(aws_cloudwatch_metric_alarm.anomaly)) : each.treat_missing_data == "notBreaching"])
    error_message = "a pause in traffic is an alarm"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.threshold["invocation-latency"].extended_statistic == "p99" && aws_cloudwatch_metric_alarm.threshold["invocation-latency"].threshold == 10000
    error_message = "latency is not watched at the 99th percentile"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.threshold["agent-latency"].metric_name == "TotalTime" && aws_cloudwatch_metric_alarm.threshold["agent-latency"].dimensions.Operation == "InvokeAgent"
    error_message = "the agents' alarm is on a metric that has no data"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.threshold["guardrail-interventions"].metric_name == "InvocationsIntervened"
    error_message = "the guardrails' alarm is on a metric that does not exist"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.training["training-failures"].period == 3600
    error_message = "training has another period"
  }

  assert {
    condition     = length(aws_cloudwatch_composite_alarm.health) == 2
    error_message = "there are not two lights of health"
  }

  assert {
    condition     = aws_cloudwatch_composite_alarm.health["basic"].alarm_rule == "ALARM(\"production-bedrock-invocation-client-errors\") OR ALARM(\"production-bedrock-invocation-server-errors\") OR ALARM(\"production-bedrock-log-delivery-cloudwatch\") OR ALARM(\"production-bedrock-log-delivery-s3\")"
    error_message = "basic health looks at something else"
  }

  assert {
    condition     = length(aws_cloudwatch_composite_alarm.health["basic"].actions_suppressor) == 0
    error_message = "something suppresses alarms"
  }

  assert {
    condition     = aws_cloudtrail.this[0].enable_log_file_validation && aws_cloudtrail.this[0].is_multi_region_trail
    error_message = "the trail cannot be verified, or is of one region"
  }

  assert {
    condition     = length(aws_cloudtrail.this[0].advanced_event_selector) == 6
    error_message = "the trail misses events"
  }

  assert {
    condition     = aws_flow_log.vpc[0].traffic_type == "ALL"
    error_message = "not all traffic is logged"
  }

  assert {
    condition     = length(aws_config_config_rule.this) == 0
    error_message = "there are Config rules without a recorder"
  }

  assert {
    condition     = aws_budgets_budget.monthly[0].limit_amount == "1000"
    error_message = "the budget is another one"
  }

  assert {
    condition     = length(aws_budgets_budget.monthly[0].notification) == 3
    error_message = "the budget tells of other steps"
  }

  assert {
    condition     = length(aws_ce_anomaly_subscription.bedrock) == 0
    error_message = "somebody is told of unusual cost by mail, who was not named"
  }

  assert {
    condition     = output.network_segmentation_implemented
    error_message = "control plane and runtime have a range in common"
  }
}

run "everything_off" {
  command = apply

  variables {
    enable_guardrails               = false
    enable_alerting                 = false
    enable_model_invocation_logging = false
    enable_cloudtrail               = false
    enable_flow_logs                = false
    enable_support_endpoints        = false
    enable_dashboard                = false
    enable_budget_monitoring        = false
    enable_budget_anomaly_detection = false
  }

  assert {
    condition     = length(aws_bedrock_guardrail.this) + length(aws_bedrock_guardrail_version.this) == 0
    error_message = "there is a guardrail"
  }

  assert {
    condition     = length(aws_sns_topic.alerts) + length(aws_cloudwatch_metric_alarm.threshold) + length(aws_cloudwatch_metric_alarm.anomaly) + length(aws_cloudwatch_composite_alarm.health) + length(aws_cloudwatch_metric_alarm.training) + length(aws_cloudwatch_metric_alarm.tokens) + length(aws_cloudwatch_metric_alarm.calls) == 0
    error_message = "something is watched"
  }

  assert {
    condition     = length(aws_bedrock_model_invocation_logging_configuration.this) == 0 && !output.model_invocation_logging_enabled
    error_message = "invocations are logged"
  }

  assert {
    condition     = length(aws_cloudtrail.this) + length(aws_flow_log.vpc) == 0
    error_message = "there is a trail or a flow log"
  }

  assert {
    condition     = length(aws_vpc_endpoint.this) == 5
    error_message = "there are other endpoints"
  }

  assert {
    condition     = output.bedrock_guardrail_id == null && output.critical_alerts_topic_arn == null
    error_message = "an output tells of what is not there"
  }
}

run "endpoints_that_are_there" {
  command = apply

  variables {
    existing_endpoint_ids          = { kms = "vpce-0a1b2c3d4e5f60718" }
    enable_bedrock_mantle_endpoint = false
    use_fips_endpoints             = true
    route_table_ids                = ["rtb-0a1b2c3d4e5f60718"]
  }

  assert {
    condition     = !contains(keys(aws_vpc_endpoint.this), "kms")
    error_message = "an endpoint is made a second time"
  }

  assert {
    condition     = !contains(keys(aws_vpc_endpoint.this), "bedrock-mantle")
    error_message = "mantle is made"
  }

  assert {
    condition     = aws_vpc_endpoint.this["bedrock-runtime"].service_name == "com.amazonaws.us-east-1.bedrock-runtime-fips"
    error_message = "the runtime is not FIPS"
  }

  assert {
    condition     = aws_vpc_endpoint.this["bedrock-agent"].service_name == "com.amazonaws.us-east-1.bedrock-agent"
    error_message = "agents have no FIPS endpoint"
  }

  assert {
    condition     = aws_vpc_endpoint.s3[0].vpc_endpoint_type == "Gateway"
    error_message = "S3 has no gateway endpoint"
  }
}

run "hardened" {
  command = apply

  variables {
    permissions_boundary_arn     = "arn:aws:iam::123456789012:policy/DeveloperBoundary"
    enable_object_lock           = true
    enable_config_rules          = true
    maintenance_window_alarm_arn = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:maintenance"
    enable_ok_actions            = true
    budget_anomaly_frequency     = "IMMEDIATE"
    grounding_threshold          = 0.7
    denied_words                 = ["project albatross"]
    denied_topics                = [{ name = "advice", definition = "Recommendations to buy or sell" }]
  }

  assert {
    condition     = alltrue([for role in [aws_iam_role.access, aws_iam_role.logging, aws_iam_role.trail[0], aws_iam_role.flow[0]] : role.permissions_boundary == "arn:aws:iam::123456789012:policy/DeveloperBoundary"])
    error_message = "a role has no boundary"
  }

  assert {
    condition     = one(aws_s3_bucket_object_lock_configuration.logs[0].rule[0].default_retention).mode == "COMPLIANCE"
    error_message = "objects can be unlocked"
  }

  assert {
    condition     = length(aws_config_config_rule.this) == 6
    error_message = "Config rules are missing"
  }

  assert {
    condition     = aws_cloudwatch_composite_alarm.health["comprehensive"].actions_suppressor[0].alarm == "arn:aws:cloudwatch:us-east-1:123456789012:alarm:maintenance"
    error_message = "maintenance does not silence health"
  }

  assert {
    condition     = length(aws_ce_anomaly_subscription.bedrock) == 1
    error_message = "nobody hears of unusual cost"
  }

  assert {
    condition     = length(aws_bedrock_guardrail.this[0].contextual_grounding_policy_config[0].filters_config) == 2
    error_message = "grounding is not looked at"
  }
}

run "models_of_other_regions_stay_out" {
  command = apply

  variables {
    foundation_models = ["arn:aws:bedrock:us-east-1::foundation-model/a.b", "arn:aws:bedrock:us-west-2::foundation-model/a.b"]
  }

  assert {
    condition     = length(local.models) == 2
    error_message = "a named model is missing"
  }
}
