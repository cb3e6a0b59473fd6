# What clients, operators and auditors ask for.

output "endpoint" {
  description = "The load balancer's own name; let the certificate's name lead to it."
  value       = aws_lb.this.dns_name
}

output "endpoint_zone_id" {
  description = "Hosted zone of that name, for an alias record."
  value       = aws_lb.this.zone_id
}

output "role_arn" {
  description = "The gateway's role at work."
  value       = aws_iam_role.gateway.arn
}

output "secret_arn" {
  description = "The secret whose values you put in."
  value       = aws_secretsmanager_secret.gateway.arn
}

output "secret_keys" {
  description = "The keys that the secret's JSON must have."
  value       = sort(values(local.secret_keys))
}

output "database_endpoint" {
  description = "Where PostgreSQL is."
  value       = aws_rds_cluster.this.endpoint
}

output "database_administrator_secret_arn" {
  description = "Secret of RDS with the administrator's password, to make the gateway's user once."
  value       = one(aws_rds_cluster.this.master_user_secret[*].secret_arn)
}

output "rates_endpoint" {
  description = "Where Valkey is, for `rates_url` of the secret: `valkeys://keepstone:PASSWORD@ENDPOINT:6379/0`."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}

output "file_system_id" {
  description = "The file system of the ledgers."
  value       = aws_efs_file_system.ledgers.id
}

output "ledger_folders" {
  description = "Access point of each machine's ledger."
  value       = { for name, each in aws_efs_access_point.machine : name => each.id }
}

output "log_group_names" {
  description = "Log groups by what writes them."
  value       = local.log_groups
}

output "kms_key_arn" {
  description = "ARN of the key."
  value       = aws_kms_key.this.arn
}

output "security_group_ids" {
  description = "Security groups: `clients` of the load balancer, one for each conversation, `services` that machines reach."
  value       = { for each in concat([aws_security_group.clients, aws_security_group.services], values(aws_security_group.among)) : trimprefix(each.name, "${local.name}-") => each.id }
}

output "alarm_names" {
  description = "Alarms for people."
  value       = sort([for each in aws_cloudwatch_metric_alarm.this : each.alarm_name])
}

output "web_acl_arn" {
  description = "The web firewall; null without one."
  value       = one(aws_wafv2_web_acl.this[*].arn)
}
