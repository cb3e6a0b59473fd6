# Money: a monthly budget, tokens against a monthly number, and Cost Explorer's monitor of what is unusual.

locals {
  to_all = compact(concat([var.budget_notification_email], var.budget_notification_emails))
  budget_steps = {
    for id, step in {
      warning  = { percent = var.budget_warning_threshold, kind = "ACTUAL", mails = var.budget_warning_emails }
      critical = { percent = var.budget_critical_threshold, kind = "ACTUAL", mails = var.budget_critical_emails }
      forecast = { percent = var.budget_forecast_threshold, kind = "FORECASTED", mails = var.budget_forecast_emails }
    } : id => merge(step, { mails = distinct(concat(local.to_all, step.mails)) })
  }
  budget_services = concat(["Amazon Bedrock"], var.include_related_ai_services ? ["Amazon Comprehend", "Amazon Rekognition", "Amazon SageMaker", "Amazon Textract"] : [])
  tokens_a_day    = tonumber(var.token_monthly_budget_limit) * var.token_budget_threshold / 100 / 30
}

resource "aws_budgets_budget" "monthly" {
  count        = var.enable_budget_monitoring ? 1 : 0
  name         = "${local.prefix}-monthly"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = var.budget_auto_adjust_type == null ? var.bedrock_monthly_budget_limit : null
  limit_unit   = var.budget_auto_adjust_type == null ? "USD" : null
  tags         = local.tags

  cost_filter {
    name   = "Service"
    values = local.budget_services
  }

  # What counts as cost, as AWS has it by default: left out here, somebody could leave costs out of it, unseen.
  cost_types {
    include_credit             = true
    include_discount           = true
    include_other_subscription = true
    include_recurring          = true
    include_refund             = true
    include_subscription       = true
    include_support            = true
    include_tax                = true
    include_upfront            = true
    use_amortized              = false
    use_blended                = false
  }

  dynamic "cost_filter" {
    for_each = length(var.budget_cost_filter_tags) > 0 ? [1] : []

    content {
      name   = "TagKeyValue"
      values = [for key, value in var.budget_cost_filter_tags : "user:${key}$${value}"]
    }
  }

  dynamic "auto_adjust_data" {
    for_each = var.budget_auto_adjust_type == null ? [] : [var.budget_auto_adjust_type]

    content {
      auto_adjust_type = auto_adjust_data.value

      dynamic "historical_options" {
        for_each = auto_adjust_data.value == "HISTORICAL" ? [1] : []

        content {
          budget_adjustment_period = var.budget_historical_adjustment_period
        }
      }
    }
  }

  dynamic "notification" {
    for_each = { for id, step in local.budget_steps : id => step if length(step.mails) > 0 || var.enable_alerting }

    content {
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value.percent
      threshold_type             = "PERCENTAGE"
      notification_type          = notification.value.kind
      subscriber_email_addresses = notification.value.mails
      subscriber_sns_topic_arns  = var.enable_alerting ? [aws_sns_topic.alerts["cost"].arn] : []
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "tokens" {
  count               = var.enable_alerting && var.enable_token_budget_monitoring ? 1 : 0
  alarm_name          = "${local.prefix}-token-budget"
  alarm_description   = "A day used more than a thirtieth of ${var.token_budget_threshold} % of the month's tokens (token_monthly_budget_limit)."
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.tokens_a_day
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts["cost"].arn]
  ok_actions          = var.enable_ok_actions ? [aws_sns_topic.alerts["cost"].arn] : []
  tags                = local.tags

  dynamic "metric_query" {
    for_each = { read = "InputTokenCount", written = "OutputTokenCount" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/Bedrock"
        metric_name = metric_query.value
        stat        = "Sum"
        period      = 86400
      }
    }
  }

  metric_query {
    id          = "tokens"
    expression  = "FILL(read, 0) + FILL(written, 0)"
    label       = "tokens a day"
    return_data = true
  }
}

resource "aws_cloudwatch_metric_alarm" "tokens_unusual" {
  count               = var.enable_alerting && var.enable_token_anomaly_detection && var.enable_anomaly_detection ? 1 : 0
  alarm_name          = "${local.prefix}-tokens-a-day-unusual"
  alarm_description   = "Unusually many tokens in a day, and more than token_anomaly_threshold_value (${var.token_anomaly_threshold_value})."
  comparison_operator = "GreaterThanUpperThreshold"
  threshold_metric_id = "usual"
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts["cost"].arn]
  tags                = local.tags

  metric_query {
    id = "read"

    metric {
      namespace   = "AWS/Bedrock"
      metric_name = "InputTokenCount"
      stat        = "Sum"
      period      = 86400
    }
  }

  metric_query {
    id          = "many"
    expression  = "IF(read > ${var.token_anomaly_threshold_value}, read, 0)"
    label       = "tokens beyond the floor"
    return_data = true
  }

  metric_query {
    id          = "usual"
    expression  = "ANOMALY_DETECTION_BAND(many, ${var.token_anomaly_threshold})"
    label       = "usual"
    return_data = true
  }
}

resource "aws_ce_anomaly_monitor" "bedrock" {
  count        = var.enable_budget_anomaly_detection ? 1 : 0
  name         = "${local.prefix}-cost"
  monitor_type = "CUSTOM"
  tags         = local.tags

  monitor_specification = jsonencode({
    And            = null
    CostCategories = null
    Dimensions     = { Key = "SERVICE", MatchOptions = null, Values = local.budget_services }
    Not            = null
    Or             = null
    Tags           = null
  })
}

locals {
  anomaly_mails    = distinct(concat(local.to_all, var.budget_anomaly_emails))
  anomaly_by_topic = var.budget_anomaly_frequency == "IMMEDIATE" && var.enable_alerting
}

resource "aws_ce_anomaly_subscription" "bedrock" {
  count            = var.enable_budget_anomaly_detection && (local.anomaly_by_topic || length(local.anomaly_mails) > 0) ? 1 : 0
  name             = "${local.prefix}-cost"
  frequency        = var.budget_anomaly_frequency
  monitor_arn_list = [aws_ce_anomaly_monitor.bedrock[0].arn]
  tags             = local.tags

  dynamic "subscriber" {
    for_each = local.anomaly_by_topic ? { (local.topic_arns["cost"]) = "SNS" } : { for mail in local.anomaly_mails : mail => "EMAIL" }

    content {
      type    = subscriber.value
      address = subscriber.key
    }
  }

  threshold_expression {
    dimension {
      key           = "ANOMALY_TOTAL_IMPACT_ABSOLUTE"
      match_options = ["GREATER_THAN_OR_EQUAL"]
      values        = [tostring(var.budget_anomaly_threshold)]
    }
  }
}
