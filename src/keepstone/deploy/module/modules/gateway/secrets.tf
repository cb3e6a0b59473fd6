# One secret for all that the gateway must know. Its values are yours to put in; neither code nor state holds them.

locals {
  secret_keys = merge(
    { PGPASSWORD = "database_password", KEEPSTONE_RATES = "rates_url" },
    { for name in var.secret_names : name => name },
  )
}

resource "aws_secretsmanager_secret" "gateway" {
  name                    = local.name
  description             = "JSON with ${join(", ", sort(values(local.secret_keys)))}"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = 30
  tags                    = local.tags
}
