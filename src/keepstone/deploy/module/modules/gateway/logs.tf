# Logs, all with the key. They hold no prompts, answers or keys: calls stand in the ledger.

locals {
  log_groups = {
    gateway  = "/aws/ecs/${local.name}"
    database = "/aws/rds/cluster/${local.name}/postgresql"
    rates    = "/aws/elasticache/${local.name}"
    waf      = "aws-waf-logs-${local.name}" # WAF takes no other beginning
  }
}

resource "aws_cloudwatch_log_group" "this" {
  for_each          = local.log_groups
  name              = each.value
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn
  tags              = local.tags
}
