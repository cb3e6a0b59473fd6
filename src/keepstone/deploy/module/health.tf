# Health as one light: the runtime's, and that of all services. Silent while a maintenance alarm of yours is on.

locals {
  health = var.enable_alerting ? merge(
    var.enable_composite_alarms ? { basic = [for id, each in local.threshold_alarms : id if each.health] } : {},
    var.enable_comprehensive_health_monitoring ? {
      comprehensive = concat(keys(local.threshold_alarms), keys(aws_cloudwatch_metric_alarm.training)[*])
    } : {},
  ) : {}
}

resource "aws_cloudwatch_composite_alarm" "health" {
  for_each          = local.health
  alarm_name        = "${local.prefix}-health-${each.key}"
  alarm_description = each.key == "basic" ? "Errors of the runtime, or logs that are not delivered" : "Any alarm of any Bedrock service"
  alarm_rule        = join(" OR ", [for id in each.value : "ALARM(\"${local.prefix}-${id}\")"])
  alarm_actions     = [aws_sns_topic.alerts["critical"].arn]
  ok_actions        = var.enable_ok_actions ? [aws_sns_topic.alerts["critical"].arn] : []
  tags              = local.tags

  dynamic "actions_suppressor" {
    for_each = var.maintenance_window_alarm_arn == null ? [] : [var.maintenance_window_alarm_arn]

    content {
      alarm            = actions_suppressor.value
      wait_period      = var.maintenance_suppression_wait_period
      extension_period = var.maintenance_suppression_extension_period
    }
  }

  depends_on = [aws_cloudwatch_metric_alarm.threshold, aws_cloudwatch_metric_alarm.training]
}
