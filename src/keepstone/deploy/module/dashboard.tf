# One page to look at: calls and errors, latency, tokens, guardrails, agents, delivery of logs.

locals {
  widgets = [
    { title = "Calls and errors", namespace = "AWS/Bedrock", metrics = ["Invocations", "InvocationClientErrors", "InvocationServerErrors", "InvocationThrottles"], stat = "Sum", dimensions = [] },
    { title = "Latency, 99th percentile (ms)", namespace = "AWS/Bedrock", metrics = ["InvocationLatency"], stat = "p99", dimensions = [] },
    { title = "Tokens", namespace = "AWS/Bedrock", metrics = ["InputTokenCount", "OutputTokenCount"], stat = "Sum", dimensions = [] },
    { title = "Guardrails that stepped in", namespace = "AWS/Bedrock/Guardrails", metrics = ["Invocations", "InvocationsIntervened"], stat = "Sum", dimensions = ["Operation", "ApplyGuardrail"] },
    { title = "Agents", namespace = "AWS/Bedrock/Agents", metrics = ["InvocationCount", "InvocationClientErrors", "InvocationServerErrors", "InvocationThrottles"], stat = "Sum", dimensions = ["Operation", "InvokeAgent"] },
    { title = "Logs that were not delivered", namespace = "AWS/Bedrock", metrics = ["ModelInvocationLogsCloudWatchDeliveryFailure", "ModelInvocationLogsS3DeliveryFailure"], stat = "Sum", dimensions = [] },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  count          = var.enable_dashboard ? 1 : 0
  dashboard_name = local.prefix

  dashboard_body = jsonencode({
    widgets = [
      for position, each in local.widgets : {
        type   = "metric"
        x      = position % 2 * 12
        y      = floor(position / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = each.title
          region  = local.region
          stat    = each.stat
          period  = var.alarm_period
          view    = "timeSeries"
          metrics = [for metric in each.metrics : concat([each.namespace, metric], each.dimensions)]
        }
      }
    ]
  })
}
