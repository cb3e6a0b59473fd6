# CloudTrail: who changed Bedrock, who called it, and an alarm on unusual numbers of calls read from it.

locals {
  trail_name  = "${local.prefix}-trail"
  trail_arn   = "arn:${local.partition}:cloudtrail:${local.region}:${local.account}:trail/${local.trail_name}"
  trail_group = "/aws/cloudtrail/${local.prefix}"
}

resource "aws_cloudwatch_log_group" "trail" {
  # checkov:skip=CKV_AWS_338: the trail's files in the bucket are the record; of this group alarms are counted
  count             = var.enable_cloudtrail ? 1 : 0
  name              = local.trail_group
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn
  tags              = local.tags
}

data "aws_iam_policy_document" "trail_trust" {
  statement {
    actions = ["sts:AssumeRole"]

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

data "aws_iam_policy_document" "trail" {
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${local.trail_group}:log-stream:${local.account}_CloudTrail_${local.region}*"]
  }
}

resource "aws_iam_role" "trail" {
  count                = var.enable_cloudtrail ? 1 : 0
  name                 = "${local.prefix}-trail"
  description          = "CloudTrail writes to its log group by this role"
  assume_role_policy   = data.aws_iam_policy_document.trail_trust.json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = local.tags
}

resource "aws_iam_role_policy" "trail" {
  count  = var.enable_cloudtrail ? 1 : 0
  name   = "write"
  role   = aws_iam_role.trail[0].id
  policy = data.aws_iam_policy_document.trail.json
}

resource "aws_cloudtrail" "this" {
  # checkov:skip=CKV_AWS_252: EventBridge tells changes of protection at once; a message for each file of logs tells nobody anything
  count                         = var.enable_cloudtrail ? 1 : 0
  name                          = local.trail_name
  s3_bucket_name                = aws_s3_bucket.logs.id
  s3_key_prefix                 = "cloudtrail"
  kms_key_id                    = aws_kms_key.this.arn
  cloud_watch_logs_group_arn    = "${aws_cloudwatch_log_group.trail[0].arn}:*"
  cloud_watch_logs_role_arn     = aws_iam_role.trail[0].arn
  enable_log_file_validation    = true
  include_global_service_events = true
  is_multi_region_trail         = true
  tags                          = local.tags

  advanced_event_selector {
    name = "Management events"

    field_selector {
      field  = "eventCategory"
      equals = ["Management"]
    }
  }

  dynamic "advanced_event_selector" {
    for_each = toset(["AWS::Bedrock::AgentAlias", "AWS::Bedrock::Guardrail", "AWS::Bedrock::KnowledgeBase", "AWS::Bedrock::Model"])

    content {
      name = "Data events of ${advanced_event_selector.value}"

      field_selector {
        field  = "eventCategory"
        equals = ["Data"]
      }

      field_selector {
        field  = "resources.type"
        equals = [advanced_event_selector.value]
      }
    }
  }

  # The bucket holds prompts. What is written there is not recorded: CloudTrail itself writes there.
  advanced_event_selector {
    name = "Who reads the logs"

    field_selector {
      field  = "eventCategory"
      equals = ["Data"]
    }

    field_selector {
      field  = "resources.type"
      equals = ["AWS::S3::Object"]
    }

    field_selector {
      field       = "resources.ARN"
      starts_with = ["${local.bucket_arn}/"]
    }

    field_selector {
      field  = "readOnly"
      equals = ["true"]
    }
  }

  depends_on = [aws_s3_bucket_policy.logs, aws_iam_role_policy.trail]
}

resource "aws_cloudwatch_log_metric_filter" "calls" {
  count          = var.enable_cloudtrail ? 1 : 0
  name           = "${local.prefix}-api-calls"
  log_group_name = aws_cloudwatch_log_group.trail[0].name
  pattern        = "{ $.eventSource = \"bedrock*.amazonaws.com\" }"

  metric_transformation {
    name          = "ApiCalls"
    namespace     = "${local.prefix}/events"
    value         = "1"
    default_value = "0"
  }
}

resource "aws_cloudwatch_metric_alarm" "calls" {
  count               = var.enable_alerting && var.enable_api_call_monitoring && var.enable_anomaly_detection && var.enable_cloudtrail ? 1 : 0
  alarm_name          = "${local.prefix}-api-calls-unusual"
  alarm_description   = "An unusual number of API calls to Bedrock, counted from CloudTrail. Width of what is usual: anomaly_threshold."
  comparison_operator = "LessThanLowerOrGreaterThanUpperThreshold"
  threshold_metric_id = "usual"
  evaluation_periods  = var.anomaly_evaluation_periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts["performance"].arn]
  ok_actions          = var.enable_ok_actions ? [aws_sns_topic.alerts["performance"].arn] : []
  tags                = local.tags

  metric_query {
    id          = "seen"
    return_data = true

    metric {
      namespace   = "${local.prefix}/events"
      metric_name = "ApiCalls"
      stat        = "Sum"
      period      = var.anomaly_period
    }
  }

  metric_query {
    id          = "usual"
    expression  = "ANOMALY_DETECTION_BAND(seen, ${var.anomaly_threshold})"
    label       = "usual"
    return_data = true
  }
}
