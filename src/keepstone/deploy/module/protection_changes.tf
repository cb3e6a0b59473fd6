# Who attacks first switches off what would notice: changes of guardrails and of logging are told. CloudTrail has to
# record management events, as this module's trail does.

locals {
  protection_changes = [
    "DeleteEnforcedGuardrailConfiguration",
    "DeleteGuardrail",
    "DeleteModelInvocationLoggingConfiguration",
    "PutEnforcedGuardrailConfiguration",
    "PutModelInvocationLoggingConfiguration",
    "UpdateGuardrail",
  ]
}

resource "aws_cloudwatch_event_rule" "protection" {
  count       = var.enable_alerting ? 1 : 0
  name        = "${local.prefix}-protection-changed"
  description = "A guardrail or the logging of invocations was changed, deleted or switched off"
  state       = "ENABLED" # left out, the provider tells nobody that it was disabled
  tags        = local.tags

  event_pattern = jsonencode({
    source      = ["aws.bedrock"]
    detail-type = ["AWS API Call via CloudTrail"]
    detail      = { eventSource = ["bedrock.amazonaws.com"], eventName = local.protection_changes }
  })
}

resource "aws_cloudwatch_event_target" "protection" {
  count     = var.enable_alerting ? 1 : 0
  rule      = aws_cloudwatch_event_rule.protection[0].name
  target_id = "alert"
  arn       = aws_sns_topic.alerts["critical"].arn
}
