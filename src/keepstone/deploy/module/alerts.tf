# Three topics of alerts, who may publish to them, and who hears them.

locals {
  topics = var.enable_alerting ? {
    critical    = { subscriptions = var.critical_alert_subscriptions, what = "errors and failures" }
    performance = { subscriptions = var.performance_alert_subscriptions, what = "latency and throttling" }
    cost        = { subscriptions = merge(var.cost_alert_subscriptions, local.token_readers), what = "unusual use and cost" }
  } : {}
  token_readers = var.enable_token_budget_monitoring ? {
    for mail in var.token_budget_emails : "tokens ${mail}" => { protocol = "email", endpoint = mail }
  } : {}
  subscriptions = merge([
    for topic, each in local.topics : { for name, subscription in each.subscriptions : "${topic} ${name}" => merge(subscription, { topic = topic }) }
  ]...)
  publishers = ["budgets.amazonaws.com", "cloudwatch.amazonaws.com", "costalerts.amazonaws.com", "events.amazonaws.com"]
  topic_arns = { for topic, each in aws_sns_topic.alerts : topic => each.arn }
}

resource "aws_sns_topic" "alerts" {
  for_each          = local.topics
  name              = "${local.prefix}-${each.key}"
  display_name      = "Bedrock ${var.environment}: ${each.value.what}"
  kms_master_key_id = var.enable_sns_encryption ? aws_kms_key.this.arn : null
  tags              = local.tags
}

data "aws_iam_policy_document" "topic" {
  for_each = local.topics

  statement {
    sid       = "AlertsOfThisAccount"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alerts[each.key].arn]

    principals {
      type        = "Service"
      identifiers = local.publishers
    }

    condition {
      test     = local.from_this_account.test
      variable = local.from_this_account.variable
      values   = local.from_this_account.values
    }
  }

  dynamic "statement" {
    for_each = length(var.sns_topic_principals) > 0 ? [1] : []

    content {
      sid       = "NamedPublishers"
      actions   = ["sns:Publish"]
      resources = [aws_sns_topic.alerts[each.key].arn]

      principals {
        type        = "AWS"
        identifiers = var.sns_topic_principals
      }
    }
  }

  statement {
    sid       = "OnlyByTls"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alerts[each.key].arn]

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
}

resource "aws_sns_topic_policy" "alerts" {
  for_each = local.topics
  arn      = aws_sns_topic.alerts[each.key].arn
  policy   = data.aws_iam_policy_document.topic[each.key].json
}

resource "aws_sns_topic_subscription" "alerts" {
  for_each  = local.subscriptions
  topic_arn = aws_sns_topic.alerts[each.value.topic].arn
  protocol  = each.value.protocol
  endpoint  = each.value.endpoint
}
