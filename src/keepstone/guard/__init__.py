"""The guardrail engine: Bedrock Guardrails semantics over text. Pure."""
