# PostgreSQL for API keys and the roll call of machines: two zones, encrypted, by TLS only.

resource "aws_db_subnet_group" "this" {
  name        = local.name
  description = "Subnets of ${local.name}"
  subnet_ids  = var.subnet_ids
  tags        = local.tags
}

resource "aws_rds_cluster_parameter_group" "this" {
  name        = local.name
  description = "TLS only, who connects is logged"
  family      = "aurora-postgresql${split(".", var.database_version)[0]}"
  tags        = local.tags

  dynamic "parameter" {
    for_each = { "rds.force_ssl" = "1", log_connections = "1", log_disconnections = "1" }

    content {
      name  = parameter.key
      value = parameter.value
    }
  }
}

# The administrator's password is made, kept and rotated by RDS. The gateway has a user of its own: see docs/deploy-gateway.md.
resource "aws_rds_cluster" "this" {
  # checkov:skip=CKV2_AWS_8: Aurora keeps `database_backup_days` of continuous backups itself
  # checkov:skip=CKV2_AWS_27: statements hold names and hashes of API keys, which belong in no log; connections are logged
  cluster_identifier                  = local.name
  engine                              = "aurora-postgresql"
  engine_mode                         = "provisioned"
  engine_version                      = var.database_version
  database_name                       = "keepstone"
  master_username                     = "keepstone_admin"
  manage_master_user_password         = true
  master_user_secret_kms_key_id       = aws_kms_key.this.arn
  iam_database_authentication_enabled = true
  db_subnet_group_name                = aws_db_subnet_group.this.name
  vpc_security_group_ids              = [aws_security_group.among["database"].id]
  db_cluster_parameter_group_name     = aws_rds_cluster_parameter_group.this.name
  storage_encrypted                   = true
  kms_key_id                          = aws_kms_key.this.arn
  backup_retention_period             = var.database_backup_days
  copy_tags_to_snapshot               = true
  deletion_protection                 = var.deletion_protection
  skip_final_snapshot                 = false
  final_snapshot_identifier           = "${local.name}-final"
  enabled_cloudwatch_logs_exports     = ["postgresql"]
  tags                                = local.tags

  serverlessv2_scaling_configuration {
    min_capacity = var.database_capacity.least
    max_capacity = var.database_capacity.most
  }

  depends_on = [aws_cloudwatch_log_group.this] # else RDS makes the group, without key and retention
}

resource "aws_rds_cluster_instance" "this" {
  # checkov:skip=CKV_AWS_226: on unless `database_version` names a minor version, which an upgrade would leave
  # checkov:skip=CKV_AWS_118: Performance Insights and CloudWatch watch it; values of an operating system that is not yours need one role more
  count                           = 2
  identifier                      = "${local.name}-${count.index}"
  cluster_identifier              = aws_rds_cluster.this.id
  engine                          = aws_rds_cluster.this.engine
  engine_version                  = aws_rds_cluster.this.engine_version
  instance_class                  = "db.serverless"
  publicly_accessible             = false
  auto_minor_version_upgrade      = !strcontains(var.database_version, ".") # else a plan would take an upgrade back, which RDS refuses
  performance_insights_enabled    = true
  performance_insights_kms_key_id = aws_kms_key.this.arn
  ca_cert_identifier              = "rds-ca-rsa2048-g1"
  copy_tags_to_snapshot           = true
  tags                            = local.tags
}
