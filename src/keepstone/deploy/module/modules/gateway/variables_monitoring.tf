# Logs, alarms and what makes a further machine start.

variable "log_retention_days" {
  description = "How long logs of machines, web firewall, database and limits are kept. Calls stand in the ledger, not here."
  type        = number
  default     = 365

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "`log_retention_days` is no period of CloudWatch Logs: expected one such as 90, 180 or 365."
  }
}

variable "alert_topic_arns" {
  description = "Topics that hear alarms, such as the outer module's topic of critical alerts. Empty: alarms are seen in CloudWatch only."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.alert_topic_arns : can(regex("^arn:[a-z-]+:sns:", arn))])
    error_message = "`alert_topic_arns` has an entry that is no topic: expected ARNs such as `arn:aws:sns:us-east-1:123456789012:production-bedrock-critical`."
  }
}

variable "busy_cpu_percent" {
  description = "Average CPU of the machines that always run at which a further one starts."
  type        = number
  default     = 65

  validation {
    condition     = var.busy_cpu_percent >= 20 && var.busy_cpu_percent <= 90
    error_message = "`busy_cpu_percent` starts machines always, or never in time: expected 20 to 90."
  }
}

variable "busy_requests_per_minute" {
  description = "Requests a minute for each running machine at which a further one starts."
  type        = number
  default     = 30000

  validation {
    condition     = var.busy_requests_per_minute >= 1
    error_message = "`busy_requests_per_minute` starts machines always: expected at least 1."
  }
}

variable "server_error_threshold" {
  description = "Answers of 5xx in five minutes that are an alarm. The gateway says 503 when it cannot record."
  type        = number
  default     = 10

  validation {
    condition     = var.server_error_threshold >= 1
    error_message = "`server_error_threshold` is an alarm without any error: expected at least 1."
  }
}
