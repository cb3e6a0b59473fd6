# AWS Config looks at what the module set up, too, where the account has a recorder.

locals {
  config_rules = var.enable_config_rules ? {
    "key-rotated"         = { source = "CMK_BACKING_KEY_ROTATION_ENABLED", types = ["AWS::KMS::Key"] }
    "bucket-not-public"   = { source = "S3_BUCKET_PUBLIC_READ_PROHIBITED", types = ["AWS::S3::Bucket"] }
    "bucket-by-tls"       = { source = "S3_BUCKET_SSL_REQUESTS_ONLY", types = ["AWS::S3::Bucket"] }
    "log-group-encrypted" = { source = "CLOUDWATCH_LOG_GROUP_ENCRYPTED", types = [] }
    "trail-enabled"       = { source = "CLOUD_TRAIL_ENABLED", types = [] }
    "vpc-flow-logs"       = { source = "VPC_FLOW_LOGS_ENABLED", types = [] }
  } : {}
}

resource "aws_config_config_rule" "this" {
  for_each    = local.config_rules
  name        = "${local.prefix}-${each.key}"
  description = "AWS's own rule ${each.value.source}"
  tags        = local.tags

  source {
    owner             = "AWS"
    source_identifier = each.value.source
  }

  evaluation_mode {
    mode = "DETECTIVE"
  }

  dynamic "scope" {
    for_each = length(each.value.types) > 0 ? [each.value.types] : []

    content {
      compliance_resource_types = scope.value
    }
  }
}
