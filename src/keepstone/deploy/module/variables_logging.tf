# Logs: what is logged, where, for how long, and who may read it.

variable "enable_model_invocation_logging" {
  description = "Turn on Bedrock's model invocation logging."
  type        = bool
  default     = true
}

variable "manage_invocation_logging" {
  description = "Let this deployment own the region's one invocation logging configuration. A second stack in the region says `false`, or destroying one would turn logging off for both."
  type        = bool
  default     = true
}

variable "enable_cloudwatch_logging" {
  description = "Deliver invocation logs to CloudWatch."
  type        = bool
  default     = true
}

variable "enable_s3_logging" {
  description = "Deliver invocation logs to S3."
  type        = bool
  default     = true
}

variable "s3_log_prefix" {
  description = "Prefix of the logs in the bucket. A slash at an end, as in the source, is taken off: Bedrock adds its own."
  type        = string
  default     = "invocations"

  validation {
    condition     = can(regex("^[A-Za-z0-9!_.*'()/-]{0,200}$", var.s3_log_prefix)) && !strcontains(var.s3_log_prefix, "//")
    error_message = "`s3_log_prefix` has a character that S3 advises against, or two slashes in a row: expected such as `bedrock-invocations`."
  }
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps logs, in days. Auditors commonly ask for 365 or more."
  type        = number
  default     = 90

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "`log_retention_days` is none that CloudWatch takes: expected 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "text_data_delivery_enabled" {
  description = "Log prompts and answers."
  type        = bool
  default     = true
}

variable "image_data_delivery_enabled" {
  description = "Log images."
  type        = bool
  default     = true
}

variable "embedding_data_delivery_enabled" {
  description = "Log embeddings."
  type        = bool
  default     = true
}

variable "video_data_delivery_enabled" {
  description = "Log films."
  type        = bool
  default     = true
}

variable "enable_log_data_protection" {
  description = "Mask personal data in the CloudWatch log. A guardrail masks what a model sees, not what is logged: the log holds the raw prompt."
  type        = bool
  default     = true
}

variable "enable_object_lock" {
  description = "Keep log objects from being changed or deleted, by S3 Object Lock in compliance mode. It can be chosen only when the bucket is made."
  type        = bool
  default     = false
}

variable "object_lock_days" {
  description = "How long a log object is locked."
  type        = number
  default     = 365

  validation {
    condition     = var.object_lock_days >= 1 && var.object_lock_days <= 36500 && floor(var.object_lock_days) == var.object_lock_days
    error_message = "`object_lock_days` is no number of days that S3 takes: expected a whole number from 1 to 36500."
  }
}

variable "log_expiration_days" {
  description = "After how many days log objects are deleted from S3. At least the lock's days."
  type        = number
  default     = 2557

  validation {
    condition     = var.log_expiration_days > 365
    error_message = "`log_expiration_days` is below 366: objects go to cheaper storage at 90 and 365 days, and are deleted after that."
  }
}

variable "enable_cloudtrail" {
  description = "Make a trail that records Bedrock's management and data events, and the alarm on API calls that reads it. Off where the organisation has such a trail."
  type        = bool
  default     = true
}

variable "enable_config_rules" {
  description = "Make AWS Config rules on what the module set up. The account needs a Config recorder."
  type        = bool
  default     = false
}
