# The guardrail, and a version of it that callers pin: a change makes a new one, the old ones stay.

locals {
  filters = {
    SEXUAL        = var.content_filters.sexual
    VIOLENCE      = var.content_filters.violence
    HATE          = var.content_filters.hate
    INSULTS       = var.content_filters.insults
    MISCONDUCT    = var.content_filters.misconduct
    PROMPT_ATTACK = { input_strength = var.content_filters.prompt_attack.input_strength, output_strength = "NONE" }
  }
}

resource "aws_bedrock_guardrail" "this" {
  count                     = var.enable_guardrails ? 1 : 0
  name                      = coalesce(var.guardrail_name, local.prefix)
  description               = "Content safety and personal data of ${local.prefix}"
  blocked_input_messaging   = var.blocked_input_message
  blocked_outputs_messaging = var.blocked_output_message
  kms_key_arn               = aws_kms_key.this.arn
  tags                      = local.tags

  content_policy_config {
    dynamic "filters_config" {
      for_each = local.filters

      content {
        type            = filters_config.key
        input_strength  = filters_config.value.input_strength
        output_strength = filters_config.value.output_strength
      }
    }
  }

  sensitive_information_policy_config {
    dynamic "pii_entities_config" {
      for_each = local.pii.entities

      content {
        type   = pii_entities_config.key
        action = pii_entities_config.value.secret ? "BLOCK" : var.pii_entities_action
      }
    }
  }

  word_policy_config {
    managed_word_lists_config {
      type = "PROFANITY"
    }

    dynamic "words_config" {
      for_each = toset(var.denied_words)

      content {
        text = words_config.value
      }
    }
  }

  dynamic "topic_policy_config" {
    for_each = length(var.denied_topics) > 0 ? [1] : []

    content {
      dynamic "topics_config" {
        for_each = var.denied_topics

        content {
          name       = topics_config.value.name
          definition = topics_config.value.definition
          examples   = topics_config.value.examples
          type       = "DENY"
        }
      }
    }
  }

  dynamic "contextual_grounding_policy_config" {
    for_each = var.grounding_threshold == null ? [] : [var.grounding_threshold]

    content {
      dynamic "filters_config" {
        for_each = ["GROUNDING", "RELEVANCE"]

        content {
          type      = filters_config.value
          threshold = contextual_grounding_policy_config.value
        }
      }
    }
  }
}

resource "aws_bedrock_guardrail_version" "this" {
  count         = var.enable_guardrails ? 1 : 0
  guardrail_arn = aws_bedrock_guardrail.this[0].guardrail_arn
  description   = "Made by Terraform for ${local.prefix}"
  skip_destroy  = true

  lifecycle {
    replace_triggered_by = [aws_bedrock_guardrail.this[0]]
  }
}
