# One key of its own for the ledgers, logs, secret, database and limits: who reads the environment's logs does not read these.

data "aws_iam_policy_document" "key" {
  # checkov:skip=CKV_AWS_109: in a key policy `*` is this key, and IAM of the account decides who administers it
  # checkov:skip=CKV_AWS_111: in a key policy `*` is this key, and each service is bound to this account
  # checkov:skip=CKV_AWS_356: in a key policy `*` is this key
  # IAM of this account decides who administers and uses the key; services use it on behalf of roles that may.
  statement {
    sid       = "Administration"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account}:root"]
    }
  }

  statement {
    sid       = "CloudWatchLogs"
    actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${local.region}.${local.suffix}"]
    }

    condition {
      test     = "ArnEquals"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = [for name in values(local.log_groups) : "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${name}"]
    }
  }
}

resource "aws_kms_key" "this" {
  description             = "Ledgers, logs, secret and stores of ${local.name}"
  deletion_window_in_days = var.kms_deletion_window_days
  enable_key_rotation     = true
  rotation_period_in_days = 365
  policy                  = data.aws_iam_policy_document.key.json
  tags                    = local.tags

  lifecycle {
    prevent_destroy = true # it opens the ledgers, their backups and the database's last snapshot
  }
}

resource "aws_kms_alias" "this" {
  name          = "alias/${local.name}"
  target_key_id = aws_kms_key.this.key_id
}
