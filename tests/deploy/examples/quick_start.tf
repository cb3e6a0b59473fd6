module "bedrock_solution" {
  source = "./modules/solution-aws-bedrock-mgmt-runtime"

  environment = "production"
  vpc_id      = "vpc-0123456789abcdef"
  subnet_ids  = ["snet-0123456789a", "snet-0123456789b"]

  # Security configuration
  management_allowed_cidrs = ["10.20.0.0/8"]
  runtime_allowed_cidrs    = ["10.30.0.0/16", "10.40.0.0/16"]
  vpc_cidr                 = "10.0.0.0/16"

  # Bedrock configuration
  bedrock_role_name = "JQ-12345678-Bedrock"
  
  # Monitoring configuration
  enable_alerting = true
  critical_alert_subscriptions = {
    "ops-team" = {
      protocol = "email"
      endpoint = "ops-team@company.com"
    }
  }
  
  tags = {
    Project     = "AI-Platform"
    Owner       = "Platform-Team"
    Environment = "production"
  }
}
