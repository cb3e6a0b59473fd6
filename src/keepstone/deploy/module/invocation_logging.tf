# Model invocation logging: the log group, the role by which Bedrock writes to it, and the region's one setting.

locals {
  logs_to_cloudwatch = var.enable_model_invocation_logging && var.enable_cloudwatch_logging
  logs_to_s3         = var.enable_model_invocation_logging && var.enable_s3_logging
  log_group_name     = "/aws/bedrock/${local.prefix}-invocations"
  pii                = jsondecode(file("${path.module}/data/pii_entities.json"))
}

resource "aws_cloudwatch_log_group" "invocations" {
  # checkov:skip=CKV_AWS_338: prompts are kept no longer than is asked for: here for `log_retention_days`, in the bucket for `log_expiration_days`
  name              = local.log_group_name
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn
  tags              = local.tags
}

# The log holds what the caller sent, before any guardrail masked it.
resource "aws_cloudwatch_log_data_protection_policy" "invocations" {
  count          = var.enable_log_data_protection ? 1 : 0
  log_group_name = aws_cloudwatch_log_group.invocations.name

  policy_document = jsonencode({
    Name    = "${local.prefix}-mask-personal-data"
    Version = "2021-06-01"
    Statement = [
      {
        Sid            = "count"
        DataIdentifier = [for name in local.pii.log_identifiers : "arn:aws:dataprotection::aws:data-identifier/${name}"]
        Operation      = { Audit = { FindingsDestination = {} } }
      },
      {
        Sid            = "mask"
        DataIdentifier = [for name in local.pii.log_identifiers : "arn:aws:dataprotection::aws:data-identifier/${name}"]
        Operation      = { Deidentify = { MaskConfig = {} } }
      },
    ]
  })
}

data "aws_iam_policy_document" "logging_trust" {
  statement {
    actions = ["sts:AssumeRole"]

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
}

data "aws_iam_policy_document" "logging" {
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${local.log_group_name}:log-stream:aws/bedrock/modelinvocations"]
  }
}

resource "aws_iam_role" "logging" {
  name                 = "${local.prefix}-logging"
  description          = "Bedrock writes invocation logs by this role"
  assume_role_policy   = data.aws_iam_policy_document.logging_trust.json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = local.tags
}

resource "aws_iam_policy" "logging" {
  name        = "${local.prefix}-logging"
  description = "Invocation logs into one stream of one log group"
  policy      = data.aws_iam_policy_document.logging.json
  tags        = local.tags
}

resource "aws_iam_role_policy_attachment" "logging" {
  role       = aws_iam_role.logging.name
  policy_arn = aws_iam_policy.logging.arn
}

resource "aws_bedrock_model_invocation_logging_configuration" "this" {
  count = var.manage_invocation_logging && (local.logs_to_cloudwatch || local.logs_to_s3) ? 1 : 0

  logging_config {
    text_data_delivery_enabled      = var.text_data_delivery_enabled
    image_data_delivery_enabled     = var.image_data_delivery_enabled
    embedding_data_delivery_enabled = var.embedding_data_delivery_enabled
    video_data_delivery_enabled     = var.video_data_delivery_enabled

    dynamic "cloudwatch_config" {
      for_each = local.logs_to_cloudwatch ? [1] : []

      content {
        log_group_name = aws_cloudwatch_log_group.invocations.name
        role_arn       = aws_iam_role.logging.arn

        large_data_delivery_s3_config {
          bucket_name = aws_s3_bucket.logs.id
          key_prefix  = local.log_prefix == "" ? "large-data" : "large-data/${local.log_prefix}"
        }
      }
    }

    dynamic "s3_config" {
      for_each = local.logs_to_s3 ? [1] : []

      content {
        bucket_name = aws_s3_bucket.logs.id
        key_prefix  = local.log_prefix
      }
    }
  }

  # Bedrock tries the role and the bucket at once.
  depends_on = [
    aws_iam_role_policy_attachment.logging,
    aws_s3_bucket_policy.logs,
    aws_s3_bucket_server_side_encryption_configuration.logs,
  ]
}
