# Input that is wrong, each refused in the module's own words; and input that is understood otherwise, each told.

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

run "told_host_bits" {
  command = plan

  variables {
    management_allowed_cidrs = ["10.20.0.0/8"]
  }

  expect_failures = [check.cidrs_are_as_written, check.segments_are_apart]
}

run "told_azure_subnets" {
  command = plan

  variables {
    subnet_ids = ["snet-0123456789a", "snet-0123456789b"]
  }

  expect_failures = [check.subnets_look_like_aws]
}

run "told_prompt_attack_output" {
  command = plan

  variables {
    content_filters = { prompt_attack = { input_strength = "HIGH", output_strength = "HIGH" } }
  }

  expect_failures = [check.prompt_attacks_have_no_output]
}

run "told_slash" {
  command = plan

  variables {
    s3_log_prefix = "invocations/"
  }

  expect_failures = [check.log_prefix_has_no_slash_at_an_end]
}

run "told_models_elsewhere" {
  command = plan

  variables {
    foundation_models = ["arn:aws:bedrock:us-east-1::foundation-model/a.b", "arn:aws:bedrock:eu-west-1::foundation-model/a.b"]
  }

  expect_failures = [check.profiles_name_their_regions]
}

run "told_no_latency" {
  command = plan

  variables {
    knowledge_base_latency_metric = null
  }

  expect_failures = [check.knowledge_base_latency_has_a_source]
}

run "told_nowhere" {
  command = plan

  variables {
    enable_s3_logging         = false
    enable_cloudwatch_logging = false
  }

  expect_failures = [check.invocations_are_logged_somewhere]
}

run "told_nobody" {
  command = plan

  variables {
    critical_alert_subscriptions = {}
  }

  expect_failures = [check.somebody_is_told]
}

run "refused_environment_upper" {
  command = plan

  variables {
    environment = "Production"
  }

  expect_failures = [var.environment]
}

run "refused_environment_empty" {
  command = plan

  variables {
    environment = ""
  }

  expect_failures = [var.environment]
}

run "refused_vpc" {
  command = plan

  variables {
    vpc_id = "net-1"
  }

  expect_failures = [var.vpc_id]
}

run "refused_no_subnets" {
  command = plan

  variables {
    subnet_ids = []
  }

  expect_failures = [var.subnet_ids]
}

run "refused_twice" {
  command = plan

  variables {
    subnet_ids = ["subnet-a", "subnet-a"]
  }

  expect_failures = [var.subnet_ids]
}

run "refused_vpc_cidr" {
  command = plan

  variables {
    vpc_cidr = "10.0.0.0"
  }

  expect_failures = [var.vpc_cidr]
}

run "refused_management_no_cidr" {
  command = plan

  variables {
    management_allowed_cidrs = ["everywhere"]
  }

  expect_failures = [var.management_allowed_cidrs]
}

run "refused_management_world" {
  command = plan

  variables {
    management_allowed_cidrs = ["0.0.0.0/0"]
  }

  expect_failures = [var.management_allowed_cidrs]
}

run "refused_runtime_no_cidr" {
  command = plan

  variables {
    runtime_allowed_cidrs = ["10.30.0.0/33"]
  }

  expect_failures = [var.runtime_allowed_cidrs]
}

run "refused_runtime_world" {
  command = plan

  variables {
    runtime_allowed_cidrs = ["0.0.0.0/0"]
  }

  expect_failures = [var.runtime_allowed_cidrs]
}

run "refused_endpoint_ids" {
  command = plan

  variables {
    existing_endpoint_ids = { kms = "kms" }
  }

  expect_failures = [var.existing_endpoint_ids]
}

run "refused_endpoint_service" {
  command = plan

  variables {
    existing_endpoint_ids = { s3 = "vpce-1" }
  }

  expect_failures = [var.existing_endpoint_ids]
}

run "refused_endpoint_policy" {
  command = plan

  variables {
    custom_endpoint_policies = { kms = "{" }
  }

  expect_failures = [var.custom_endpoint_policies]
}

run "refused_role_name" {
  command = plan

  variables {
    bedrock_role_name = "a b"
  }

  expect_failures = [var.bedrock_role_name]
}

run "refused_everybody" {
  command = plan

  variables {
    trusted_principals = ["*"]
  }

  expect_failures = [var.trusted_principals]
}

run "refused_boundary" {
  command = plan

  variables {
    permissions_boundary_arn = "DeveloperBoundary"
  }

  expect_failures = [var.permissions_boundary_arn]
}

run "refused_regions" {
  command = plan

  variables {
    allowed_model_regions = ["Ireland"]
  }

  expect_failures = [var.allowed_model_regions]
}

run "refused_no_regions" {
  command = plan

  variables {
    allowed_model_regions = []
  }

  expect_failures = [var.allowed_model_regions]
}

run "refused_model_wildcard" {
  command = plan

  variables {
    foundation_models = ["arn:aws:bedrock:us-east-1::foundation-model/*"]
  }

  expect_failures = [var.foundation_models]
}

run "refused_model_wildcard_of_a_letter" {
  command = plan

  variables {
    foundation_models = ["arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-?"]
  }

  expect_failures = [var.foundation_models]
}

run "refused_model_name" {
  command = plan

  variables {
    foundation_models = ["claude"]
  }

  expect_failures = [var.foundation_models]
}

run "refused_service" {
  command = plan

  variables {
    allowed_services = ["sagemaker"]
  }

  expect_failures = [var.allowed_services]
}

run "refused_prefix" {
  command = plan

  variables {
    s3_log_prefix = "a//b"
  }

  expect_failures = [var.s3_log_prefix]
}

run "refused_retention" {
  command = plan

  variables {
    log_retention_days = 91
  }

  expect_failures = [var.log_retention_days]
}

run "refused_lock_days" {
  command = plan

  variables {
    object_lock_days = 0
  }

  expect_failures = [var.object_lock_days]
}

run "refused_expiration" {
  command = plan

  variables {
    log_expiration_days = 30
  }

  expect_failures = [var.log_expiration_days]
}

run "refused_guardrail_name" {
  command = plan

  variables {
    guardrail_name = "a b"
  }

  expect_failures = [var.guardrail_name]
}

run "refused_pii" {
  command = plan

  variables {
    pii_entities_action = "MASK"
  }

  expect_failures = [var.pii_entities_action]
}

run "refused_strength" {
  command = plan

  variables {
    content_filters = { hate = { input_strength = "VERY", output_strength = "HIGH" } }
  }

  expect_failures = [var.content_filters]
}

run "refused_topics" {
  command = plan

  variables {
    denied_topics = [{ name = "a", definition = join("", [for n in range(201) : "x"]) }]
  }

  expect_failures = [var.denied_topics]
}

run "refused_words" {
  command = plan

  variables {
    denied_words = [""]
  }

  expect_failures = [var.denied_words]
}

run "refused_grounding" {
  command = plan

  variables {
    grounding_threshold = 1
  }

  expect_failures = [var.grounding_threshold]
}

run "refused_message" {
  command = plan

  variables {
    blocked_input_message = ""
  }

  expect_failures = [var.blocked_input_message]
}

run "refused_protocol" {
  command = plan

  variables {
    critical_alert_subscriptions = { ops = { protocol = "pigeon", endpoint = "loft" } }
  }

  expect_failures = [var.critical_alert_subscriptions]
}

run "refused_publish" {
  command = plan

  variables {
    sns_topic_principals = ["*"]
  }

  expect_failures = [var.sns_topic_principals]
}

run "refused_period" {
  command = plan

  variables {
    alarm_period = 45
  }

  expect_failures = [var.alarm_period]
}

run "refused_width" {
  command = plan

  variables {
    anomaly_threshold = 0
  }

  expect_failures = [var.anomaly_threshold]
}

run "refused_kb_metric" {
  command = plan

  variables {
    knowledge_base_latency_metric = { namespace = "AWS/Bedrock", name = "Latency" }
  }

  expect_failures = [var.knowledge_base_latency_metric]
}

run "refused_maintenance" {
  command = plan

  variables {
    maintenance_window_alarm_arn = "maintenance"
  }

  expect_failures = [var.maintenance_window_alarm_arn]
}

run "refused_budget" {
  command = plan

  variables {
    bedrock_monthly_budget_limit = "much"
  }

  expect_failures = [var.bedrock_monthly_budget_limit]
}

run "refused_mail" {
  command = plan

  variables {
    budget_notification_emails = ["jq"]
  }

  expect_failures = [var.budget_notification_emails]
}

run "refused_adjust" {
  command = plan

  variables {
    budget_auto_adjust_type = "GUESS"
  }

  expect_failures = [var.budget_auto_adjust_type]
}

run "refused_frequency" {
  command = plan

  variables {
    budget_anomaly_frequency = "HOURLY"
  }

  expect_failures = [var.budget_anomaly_frequency]
}

run "refused_percent" {
  command = plan

  variables {
    budget_warning_threshold = 0
  }

  expect_failures = [var.budget_warning_threshold]
}

run "refused_deletion" {
  command = plan

  variables {
    kms_deletion_window_days = 3
  }

  expect_failures = [var.kms_deletion_window_days]
}

run "refused_tag" {
  command = plan

  variables {
    tags = { "aws:mine" = "x" }
  }

  expect_failures = [var.tags]
}

run "refused_strictly" {
  command = plan

  variables {
    management_allowed_cidrs = ["10.20.0.0/8"]
    strict_cidrs             = true
  }

  expect_failures = [aws_security_group.endpoint, check.cidrs_are_as_written, check.segments_are_apart]
}
