# The bucket of logs: private, encrypted, versioned, by TLS only; cheaper with age.

locals {
  log_prefix  = trim(var.s3_log_prefix, "/")
  log_objects = "${local.log_prefix == "" ? "" : "${local.log_prefix}/"}AWSLogs/${local.account}/BedrockModelInvocationLogs/*"
  bucket_name = "${local.prefix}-logs-${local.account}-${local.region}"
  bucket_arn  = "arn:${local.partition}:s3:::${local.bucket_name}"
}

resource "aws_s3_bucket" "logs" {
  # checkov:skip=CKV_AWS_18: CloudTrail records who reads objects here; S3's own access logs would need another bucket, and come late or not at all
  # checkov:skip=CKV_AWS_144: logs stay in their region; a copy elsewhere is a transfer of personal data that you decide on
  # checkov:skip=CKV2_AWS_62: files come all the time; that they do not come raises an alarm
  bucket              = local.bucket_name
  object_lock_enabled = var.enable_object_lock
  tags                = local.tags

  # A bucket that holds logs is not destroyed; then the key that opens them must not be, either.
  depends_on = [aws_kms_key.this]
}

resource "aws_s3_bucket_ownership_controls" "logs" {
  bucket = aws_s3_bucket.logs.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "logs" {
  bucket                  = aws_s3_bucket.logs.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "logs" {
  bucket = aws_s3_bucket.logs.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "logs" {
  bucket = aws_s3_bucket.logs.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_object_lock_configuration" "logs" {
  count  = var.enable_object_lock ? 1 : 0
  bucket = aws_s3_bucket.logs.id

  rule {
    default_retention {
      mode = "COMPLIANCE"
      days = var.object_lock_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.logs]
}

resource "aws_s3_bucket_lifecycle_configuration" "logs" {
  bucket = aws_s3_bucket.logs.id

  rule {
    id     = "age"
    status = "Enabled"
    filter {}

    transition {
      days          = 90
      storage_class = "STANDARD_IA"
    }

    transition {
      days          = 365
      storage_class = "GLACIER"
    }

    expiration {
      days = var.log_expiration_days
    }

    noncurrent_version_expiration {
      noncurrent_days = 90
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.logs]

  lifecycle {
    precondition {
      condition     = !var.enable_object_lock || var.log_expiration_days >= var.object_lock_days
      error_message = "`log_expiration_days` (${var.log_expiration_days}) is below `object_lock_days` (${var.object_lock_days}): objects would be due for deletion while they are locked."
    }
  }
}

data "aws_iam_policy_document" "bucket" {
  statement {
    sid       = "OnlyByTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.bucket_arn, "${local.bucket_arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  statement {
    sid       = "OnlyByTls12"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.bucket_arn, "${local.bucket_arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "NumericLessThan"
      variable = "s3:TlsVersion"
      values   = ["1.2"]
    }
  }

  statement {
    sid       = "AmazonBedrockLogsWrite"
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket_arn}/${local.log_objects}", "${local.bucket_arn}/large-data/${local.log_objects}"]

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

  dynamic "statement" {
    for_each = var.enable_cloudtrail ? { AWSCloudTrailAclCheck = ["s3:GetBucketAcl", local.bucket_arn], AWSCloudTrailWrite = ["s3:PutObject", "${local.bucket_arn}/cloudtrail/AWSLogs/${local.account}/*"] } : {}

    content {
      sid       = statement.key
      actions   = [statement.value[0]]
      resources = [statement.value[1]]

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
}

resource "aws_s3_bucket_policy" "logs" {
  bucket     = aws_s3_bucket.logs.id
  policy     = data.aws_iam_policy_document.bucket.json
  depends_on = [aws_s3_bucket_public_access_block.logs]
}
