# Valkey for the limits that machines count together: two zones, encrypted, by TLS, one user that may do what the gateway does.

resource "aws_elasticache_subnet_group" "this" {
  name        = local.name
  description = "Subnets of ${local.name}"
  subnet_ids  = var.subnet_ids
  tags        = local.tags
}

# What is evicted is forgotten, and a limit with it.
resource "aws_elasticache_parameter_group" "this" {
  name        = local.name
  description = "Nothing is evicted"
  family      = "valkey8"
  tags        = local.tags

  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

resource "aws_elasticache_user" "gateway" {
  user_id       = local.name
  user_name     = "keepstone"
  engine        = "valkey"
  access_string = "on ~keepstone:* -@all +select +ping +@hash +@sortedset +evalsha +script|load +get +set +del +time +pexpire"
  tags          = local.tags

  authentication_mode {
    type      = "password"
    passwords = [var.rates_password]
  }
}

resource "aws_elasticache_user_group" "this" {
  user_group_id = local.name
  engine        = "valkey"
  user_ids      = [aws_elasticache_user.gateway.user_id]
  tags          = local.tags
}

resource "aws_elasticache_replication_group" "this" {
  replication_group_id       = local.name
  description                = "Limits of ${local.name}"
  engine                     = "valkey"
  engine_version             = "8.0"
  node_type                  = var.rates_node_type
  num_cache_clusters         = 2
  automatic_failover_enabled = true
  multi_az_enabled           = true
  port                       = 6379
  parameter_group_name       = aws_elasticache_parameter_group.this.name
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [aws_security_group.among["rates"].id]
  user_group_ids             = [aws_elasticache_user_group.this.user_group_id]
  at_rest_encryption_enabled = true
  kms_key_id                 = aws_kms_key.this.arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  auto_minor_version_upgrade = true
  snapshot_retention_limit   = 7
  tags                       = local.tags

  log_delivery_configuration {
    destination      = aws_cloudwatch_log_group.this["rates"].name
    destination_type = "cloudwatch-logs"
    log_format       = "json"
    log_type         = "engine-log"
  }
}
