# The parts of the module alone.

mock_resource "aws_iam_policy" {
  defaults = { arn = "arn:aws:iam::123456789012:policy/mock" }
}

mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:us-east-1:123456789012:mock" }
}

mock_resource "aws_bedrock_guardrail" {
  defaults = { guardrail_arn = "arn:aws:bedrock:us-east-1:123456789012:guardrail/mock0mock0", guardrail_id = "mock0mock0" }
}

mock_resource "aws_ce_anomaly_monitor" {
  defaults = { arn = "arn:aws:ce::123456789012:anomalymonitor/00000000-0000-4000-8000-000000000000" }
}
