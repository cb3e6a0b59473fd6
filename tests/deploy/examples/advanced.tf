module "bedrock_solution" {
  source = "./modules/solution-aws-bedrock-mgmt-runtime"

  environment = "production"
  vpc_id      = "vpc-0123456789abcdef"
  subnet_ids  = ["snet-0123456789a", "snet-0123456789b"]

  # Comprehensive logging
  log_retention_days = 90
  enable_s3_logging  = true
  s3_log_prefix      = "bedrock-invocations/"

  # Enhanced guardrails
  enable_guardrails    = true
  pii_entities_action  = "ANONYMIZE"
  
  content_filters = {
    sexual = {
      input_strength  = "HIGH"
      output_strength = "HIGH"
    }
    violence = {
      input_strength  = "HIGH"
      output_strength = "HIGH"
    }
    hate = {
      input_strength  = "HIGH"
      output_strength = "HIGH"
    }
    prompt_attack = {
      input_strength  = "HIGH"
      output_strength = "HIGH"
    }
  }

  # Comprehensive monitoring configuration
  enable_alerting                        = true
  enable_anomaly_detection               = true
  enable_composite_alarms                = true
  enable_agents_monitoring               = true
  enable_knowledge_base_monitoring       = true
  enable_guardrails_monitoring           = true
  enable_training_monitoring             = true
  enable_api_call_monitoring             = true
  enable_comprehensive_health_monitoring = true

  # Threshold configuration
  invocation_error_threshold      = 10
  server_error_threshold         = 5
  agents_error_threshold         = 5
  kb_error_threshold            = 5
  latency_threshold_ms          = 10000
  agents_latency_threshold_ms   = 15000
  kb_latency_threshold_ms       = 5000
  throttle_threshold            = 20
  agents_throttle_threshold     = 10
  kb_throttle_threshold         = 10
  guardrails_blocked_threshold  = 50

  # SNS alert subscriptions
  critical_alert_subscriptions = {
    "ops-team-email" = {
      protocol = "email"
      endpoint = "ops-team@company.com"
    }
    "ops-team-sms" = {
      protocol = "sms"
      endpoint = "+1234567890"
    }
  }

  performance_alert_subscriptions = {
    "performance-team" = {
      protocol = "email"
      endpoint = "performance-team@company.com"
    }
  }

  cost_alert_subscriptions = {
    "finops-team" = {
      protocol = "email" 
      endpoint = "finops-team@company.com"
    }
  }

  # Multi-region model access
  allowed_model_regions = ["us-east-1", "us-east-2", "us-west-2"]
  
  # Custom foundation models
  foundation_models = [
    "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-5-sonnet-20240620-v1:0",
    "arn:aws:bedrock:us-west-2::foundation-model/amazon.titan-text-express-v1:0"
  ]

  # Security hardening
  permissions_boundary_arn = "arn:aws:iam::123456789012:policy/DeveloperBoundary"
  
  tags = {
    Project      = "AI-Platform"
    Owner        = "Platform-Team"
    Environment  = "production"
    Compliance   = "SOC2-Type2"
    DataClass    = "Confidential"
  }
}
