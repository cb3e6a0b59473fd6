# Content safety.

variable "enable_guardrails" {
  description = "Make a guardrail."
  type        = bool
  default     = true
}

variable "guardrail_name" {
  description = "Name of the guardrail; `null` names it after the environment."
  type        = string
  default     = null

  validation {
    condition     = var.guardrail_name == null || can(regex("^[0-9A-Za-z_-]{1,50}$", var.guardrail_name))
    error_message = "`guardrail_name` is no name of a guardrail: expected up to 50 letters, digits, `-` or `_`."
  }
}

variable "pii_entities_action" {
  description = "What becomes of personal data. Secrets (passwords, PINs, card codes, AWS keys) are blocked whatever it says."
  type        = string
  default     = "ANONYMIZE"

  validation {
    condition     = contains(["BLOCK", "ANONYMIZE"], var.pii_entities_action)
    error_message = "`pii_entities_action` is none that Bedrock knows: expected `BLOCK` or `ANONYMIZE`."
  }
}

variable "content_filters" {
  description = "Strength of each content filter. Bedrock takes no output strength for prompt attacks: it is set to `NONE` whatever is said, and a warning tells."
  type = object({
    sexual        = optional(object({ input_strength = string, output_strength = string }), { input_strength = "HIGH", output_strength = "HIGH" })
    violence      = optional(object({ input_strength = string, output_strength = string }), { input_strength = "HIGH", output_strength = "HIGH" })
    hate          = optional(object({ input_strength = string, output_strength = string }), { input_strength = "HIGH", output_strength = "HIGH" })
    insults       = optional(object({ input_strength = string, output_strength = string }), { input_strength = "HIGH", output_strength = "HIGH" })
    misconduct    = optional(object({ input_strength = string, output_strength = string }), { input_strength = "HIGH", output_strength = "HIGH" })
    prompt_attack = optional(object({ input_strength = string, output_strength = string }), { input_strength = "HIGH", output_strength = "NONE" })
  })
  default = {}

  validation {
    condition = alltrue(flatten([
      for filter in values(var.content_filters) : [
        for strength in [filter.input_strength, filter.output_strength] : contains(["NONE", "LOW", "MEDIUM", "HIGH"], strength)
      ]
    ]))
    error_message = "`content_filters` has a strength that Bedrock does not know: expected `NONE`, `LOW`, `MEDIUM` or `HIGH`."
  }
}

variable "denied_topics" {
  description = "Topics that are refused: a name, what belongs to it, and up to five examples."
  type        = list(object({ name = string, definition = string, examples = optional(list(string), []) }))
  default     = []

  validation {
    condition     = length(var.denied_topics) <= 30 && alltrue([for topic in var.denied_topics : length(topic.definition) <= 200 && length(topic.examples) <= 5])
    error_message = "`denied_topics` is more than Bedrock takes: expected at most 30, each with a definition of at most 200 characters and at most 5 examples."
  }
}

variable "denied_words" {
  description = "Words and phrases that are refused."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for word in var.denied_words : length(word) >= 1 && length(word) <= 100])
    error_message = "`denied_words` has an entry that Bedrock does not take: expected 1 to 100 characters."
  }
}

variable "grounding_threshold" {
  description = "Answers less grounded in their sources than this are blocked, from 0 to 0.99; `null` does not look."
  type        = number
  default     = null

  validation {
    condition     = var.grounding_threshold == null ? true : var.grounding_threshold >= 0 && var.grounding_threshold <= 0.99
    error_message = "`grounding_threshold` is outside of what Bedrock takes: expected 0 to 0.99."
  }
}

variable "blocked_input_message" {
  description = "What the caller is told when its input is blocked."
  type        = string
  default     = "This request is not allowed by your organisation's policy."

  validation {
    condition     = length(var.blocked_input_message) >= 1 && length(var.blocked_input_message) <= 500
    error_message = "`blocked_input_message` is empty or too long: expected 1 to 500 characters."
  }
}

variable "blocked_output_message" {
  description = "What the caller is told when the answer is blocked."
  type        = string
  default     = "This answer is not allowed by your organisation's policy."

  validation {
    condition     = length(var.blocked_output_message) >= 1 && length(var.blocked_output_message) <= 500
    error_message = "`blocked_output_message` is empty or too long: expected 1 to 500 characters."
  }
}
