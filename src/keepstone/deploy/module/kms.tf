# One customer-managed key for logs, topics and the guardrail, rotated every year.

data "aws_iam_policy_document" "key" {
  # checkov:skip=CKV_AWS_109: in a key policy `*` is this key, and IAM of the account decides who administers it
  # checkov:skip=CKV_AWS_111: in a key policy `*` is this key, and each service is bound to this account
  # checkov:skip=CKV_AWS_356: in a key policy `*` is this key
  # IAM of this account decides who administers the key, or the roles that are named.
  statement {
    sid       = "Administration"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = length(var.kms_administrators) > 0 ? var.kms_administrators : ["arn:${local.partition}:iam::${local.account}:root"]
    }
  }

  dynamic "statement" {
    for_each = length(var.kms_administrators) > 0 ? [1] : []
    content {
      sid       = "UseByIamPolicies"
      actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      resources = ["*"]

      principals {
        type        = "AWS"
        identifiers = ["arn:${local.partition}:iam::${local.account}:root"]
      }
    }
  }

  statement {
    sid       = "BedrockWritesLogs"
    actions   = ["kms:GenerateDataKey"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["bedrock.amazonaws.com"]
    }

    condition {
      test     = local.from_this_account.test
      variable = local.from_this_account.variable
      values   = local.from_this_account.values
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [local.bedrock_arns]
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
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/*/${local.prefix}*"]
    }
  }

  # Without this an alarm publishes to an encrypted topic and nobody ever hears of it.
  statement {
    sid       = "AlertsReachEncryptedTopics"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = sort(concat(local.publishers, var.allowed_services))
    }

    condition {
      test     = local.from_this_account.test
      variable = local.from_this_account.variable
      values   = local.from_this_account.values
    }
  }

  statement {
    sid       = "CloudTrailEncryptsItsLogs"
    actions   = ["kms:GenerateDataKey*", "kms:DescribeKey"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["cloudtrail.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceArn"
      values   = [local.trail_arn]
    }
  }
}

resource "aws_kms_key" "this" {
  description             = "Logs, alerts and guardrail of ${local.prefix}"
  deletion_window_in_days = var.kms_deletion_window_days
  enable_key_rotation     = true
  rotation_period_in_days = 365
  policy                  = data.aws_iam_policy_document.key.json
  tags                    = local.tags
}

resource "aws_kms_alias" "this" {
  name          = "alias/${local.prefix}"
  target_key_id = aws_kms_key.this.key_id
}
