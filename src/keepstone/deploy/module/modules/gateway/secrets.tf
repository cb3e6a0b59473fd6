# One secret for all that the gateway must know. Its values are yours to put in; neither code nor state holds them.

locals {
  secret_keys = merge(
    { PGPASSWORD = "database_password", KEEPSTONE_RATES = "rates_url" },
    { for name in var.secret_names : name => name },
  )
}

resource "aws_secretsmanager_secret" "gateway" {
  # checkov:skip=CKV2_AWS_57: its values are of systems outside, and a new one takes a new deployment
  name                    = local.name
  description             = "JSON with ${join(", ", sort(values(local.secret_keys)))}"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = 30
  tags                    = local.tags
}

# Nobody reads it but what starts a task: who administers the account writes values, and would have to change this first.
data "aws_iam_policy_document" "secret" {
  statement {
    sid       = "OnlyWhatStartsTasksReads"
    effect    = "Deny"
    actions   = ["secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue"]
    resources = ["*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnNotEquals"
      variable = "aws:PrincipalArn"
      values   = [aws_iam_role.start.arn]
    }
  }
}

resource "aws_secretsmanager_secret_policy" "gateway" {
  secret_arn          = aws_secretsmanager_secret.gateway.arn
  policy              = data.aws_iam_policy_document.secret.json
  block_public_policy = true
}
