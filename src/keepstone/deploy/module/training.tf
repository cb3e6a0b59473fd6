# Customisation jobs: Bedrock has no metric of them. Its events are told at once, logged, and counted for an alarm.

locals {
  watches_training = var.enable_alerting && var.enable_training_monitoring
  training_group   = "/aws/events/${local.prefix}-training"
}

resource "aws_cloudwatch_event_rule" "training" {
  count       = local.watches_training ? 1 : 0
  name        = "${local.prefix}-training-failed"
  description = "Customisation and batch jobs that failed or were stopped"
  state       = "ENABLED"
  tags        = local.tags

  event_pattern = jsonencode({
    source      = ["aws.bedrock"]
    detail-type = ["Model Customization Job State Change", "Batch Inference Job State Change"]
    detail      = { status = ["Failed", "Stopped"] }
  })
}

resource "aws_cloudwatch_event_target" "training_alert" {
  count     = local.watches_training ? 1 : 0
  rule      = aws_cloudwatch_event_rule.training[0].name
  target_id = "alert"
  arn       = aws_sns_topic.alerts["critical"].arn
}

resource "aws_cloudwatch_event_target" "training_log" {
  count      = local.watches_training ? 1 : 0
  rule       = aws_cloudwatch_event_rule.training[0].name
  target_id  = "log"
  arn        = aws_cloudwatch_log_group.training[0].arn
  depends_on = [aws_cloudwatch_log_resource_policy.training]
}

resource "aws_cloudwatch_log_group" "training" {
  # checkov:skip=CKV_AWS_338: events of jobs, of which alarms are counted
  count             = local.watches_training ? 1 : 0
  name              = local.training_group
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn
  tags              = local.tags
}

data "aws_iam_policy_document" "training_log" {
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${local.training_group}:*"]

    principals {
      type        = "Service"
      identifiers = ["delivery.logs.amazonaws.com", "events.amazonaws.com"]
    }

    condition {
      test     = local.from_this_account.test
      variable = local.from_this_account.variable
      values   = local.from_this_account.values
    }
  }
}

resource "aws_cloudwatch_log_resource_policy" "training" {
  count           = local.watches_training ? 1 : 0
  policy_name     = "${local.prefix}-training"
  policy_document = data.aws_iam_policy_document.training_log.json
}

resource "aws_cloudwatch_log_metric_filter" "training" {
  count          = local.watches_training ? 1 : 0
  name           = "${local.prefix}-training-failed"
  log_group_name = aws_cloudwatch_log_group.training[0].name
  pattern        = "{ $.detail.status = \"Failed\" }"

  metric_transformation {
    name          = "FailedCustomisationJobs"
    namespace     = "${local.prefix}/events"
    value         = "1"
    default_value = "0"
  }
}

resource "aws_cloudwatch_metric_alarm" "training" {
  for_each            = local.watches_training ? { "training-failures" = aws_cloudwatch_log_metric_filter.training[0] } : {}
  alarm_name          = "${local.prefix}-${each.key}"
  alarm_description   = "Customisation or batch jobs that failed, counted from Bedrock's events. Threshold: training_job_failure_threshold."
  namespace           = each.value.metric_transformation[0].namespace
  metric_name         = each.value.metric_transformation[0].name
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.training_job_failure_threshold
  period              = var.training_alarm_period
  evaluation_periods  = var.training_alarm_evaluation_periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts["critical"].arn]
  ok_actions          = var.enable_ok_actions ? [aws_sns_topic.alerts["critical"].arn] : []
  tags                = local.tags

  # As for the other alarms that a health alarm names.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_event_rule" "key" {
  count       = var.enable_alerting ? 1 : 0
  name        = "${local.prefix}-key"
  description = "The key was rotated, or what it guards may soon be lost"
  state       = "ENABLED"
  tags        = local.tags

  event_pattern = jsonencode({
    source      = ["aws.kms"]
    detail-type = ["KMS CMK Rotation", "KMS CMK Deletion"]
    resources   = [aws_kms_key.this.arn]
  })
}

resource "aws_cloudwatch_event_target" "key" {
  count     = var.enable_alerting ? 1 : 0
  rule      = aws_cloudwatch_event_rule.key[0].name
  target_id = "alert"
  arn       = aws_sns_topic.alerts["critical"].arn
}
