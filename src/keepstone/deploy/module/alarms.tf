# Alarms from the table in data/alarms.json. Every metric in it is one that AWS emits; traffic that pauses is no fault.

locals {
  alarm_table = jsondecode(file("${path.module}/data/alarms.json"))

  flags = {
    enable_alerting                  = var.enable_alerting
    enable_anomaly_detection         = var.enable_anomaly_detection
    enable_cost_alerting             = var.enable_cost_alerting
    enable_token_monitoring          = var.enable_token_monitoring
    enable_agents_monitoring         = var.enable_agents_monitoring
    enable_knowledge_base_monitoring = var.enable_knowledge_base_monitoring
    enable_guardrails_monitoring     = var.enable_guardrails_monitoring
    enable_guardrails                = var.enable_guardrails
    logs_to_cloudwatch               = local.logs_to_cloudwatch
    logs_to_s3                       = local.logs_to_s3
  }
  thresholds = {
    invocation_error_threshold   = var.invocation_error_threshold
    server_error_threshold       = var.server_error_threshold
    throttle_threshold           = var.throttle_threshold
    latency_threshold_ms         = var.latency_threshold_ms
    logging_failure_threshold    = var.logging_failure_threshold
    agents_error_threshold       = var.agents_error_threshold
    agents_throttle_threshold    = var.agents_throttle_threshold
    agents_latency_threshold_ms  = var.agents_latency_threshold_ms
    kb_error_threshold           = var.kb_error_threshold
    kb_throttle_threshold        = var.kb_throttle_threshold
    guardrails_blocked_threshold = var.guardrails_blocked_threshold
  }
  widths = {
    anomaly_threshold       = var.anomaly_threshold
    token_anomaly_threshold = var.token_anomaly_threshold
  }

  threshold_alarms = { for id, each in local.alarm_table.threshold : id => each if alltrue([for flag in each.flags : local.flags[flag]]) }
  anomaly_alarms   = { for id, each in local.alarm_table.anomaly : id => each if alltrue([for flag in each.flags : local.flags[flag]]) }
}

resource "aws_cloudwatch_metric_alarm" "threshold" {
  for_each            = local.threshold_alarms
  alarm_name          = "${local.prefix}-${each.key}"
  alarm_description   = "${each.value.description}. Threshold: ${each.value.threshold}."
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = each.value.operator
  threshold           = local.thresholds[each.value.threshold]
  period              = var.alarm_period
  evaluation_periods  = var.alarm_evaluation_periods
  datapoints_to_alarm = min(var.alarm_datapoints_to_alarm, var.alarm_evaluation_periods)
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts[each.value.topic].arn]
  ok_actions          = var.enable_ok_actions ? [aws_sns_topic.alerts[each.value.topic].arn] : []
  tags                = local.tags

  # Of a percentile only: else few calls could be made to raise no alarm, unseen.
  evaluate_low_sample_count_percentiles = startswith(each.value.statistic, "p") ? "evaluate" : null

  # CloudWatch deletes no alarm that a health alarm names: so the health alarms let go of it first.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_metric_alarm" "anomaly" {
  for_each            = local.anomaly_alarms
  alarm_name          = "${local.prefix}-${each.key}"
  alarm_description   = "${each.value.description}. Width of what is usual: ${each.value.width}."
  comparison_operator = each.value.operator
  threshold_metric_id = "usual"
  evaluation_periods  = var.anomaly_evaluation_periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts[each.value.topic].arn]
  ok_actions          = var.enable_ok_actions ? [aws_sns_topic.alerts[each.value.topic].arn] : []
  tags                = local.tags

  metric_query {
    id          = "seen"
    return_data = true

    metric {
      namespace   = each.value.namespace
      metric_name = each.value.metric
      dimensions  = each.value.dimensions
      stat        = each.value.statistic
      period      = var.anomaly_period
    }
  }

  metric_query {
    id          = "usual"
    expression  = "ANOMALY_DETECTION_BAND(seen, ${local.widths[each.value.width]})"
    label       = "usual"
    return_data = true
  }
}

# Bedrock publishes no latency of knowledge bases: this is about the metric that the user's application sends.
resource "aws_cloudwatch_metric_alarm" "knowledge_base_latency" {
  count               = var.enable_alerting && var.enable_knowledge_base_monitoring && var.knowledge_base_latency_metric != null ? 1 : 0
  alarm_name          = "${local.prefix}-knowledge-base-latency"
  alarm_description   = "99th percentile of a knowledge base's latency, as your application reports it. Threshold: kb_latency_threshold_ms."
  namespace           = var.knowledge_base_latency_metric.namespace
  metric_name         = var.knowledge_base_latency_metric.name
  dimensions          = var.knowledge_base_latency_metric.dimensions
  extended_statistic  = "p99"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.kb_latency_threshold_ms
  period              = var.alarm_period
  evaluation_periods  = var.alarm_evaluation_periods
  datapoints_to_alarm = min(var.alarm_datapoints_to_alarm, var.alarm_evaluation_periods)
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts["performance"].arn]
  ok_actions          = var.enable_ok_actions ? [aws_sns_topic.alerts["performance"].arn] : []
  tags                = local.tags

  evaluate_low_sample_count_percentiles = "evaluate"
}
