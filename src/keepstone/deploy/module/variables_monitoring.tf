# Monitoring: which alarms there are, when they go off, and who is told.

variable "enable_alerting" {
  description = "Make the topics and the alarms."
  type        = bool
  default     = true
}

variable "enable_anomaly_detection" {
  description = "Make the alarms that learn what is usual."
  type        = bool
  default     = true
}

variable "enable_cost_alerting" {
  description = "Make the alarms on use that costs money."
  type        = bool
  default     = true
}

variable "enable_token_monitoring" {
  description = "Make the alarms on tokens."
  type        = bool
  default     = true
}

variable "enable_composite_alarms" {
  description = "Make the alarm on basic health."
  type        = bool
  default     = true
}

variable "enable_comprehensive_health_monitoring" {
  description = "Make the alarm on the health of all services together."
  type        = bool
  default     = true
}

variable "enable_agents_monitoring" {
  description = "Make the alarms of Bedrock Agents."
  type        = bool
  default     = true
}

variable "enable_knowledge_base_monitoring" {
  description = "Make the alarms of managed knowledge bases. Others publish no metrics."
  type        = bool
  default     = true
}

variable "enable_guardrails_monitoring" {
  description = "Make the alarm on guardrails that step in."
  type        = bool
  default     = true
}

variable "enable_training_monitoring" {
  description = "Tell of model customisation jobs that fail, and count them. Bedrock has no metric of them; its events are counted instead."
  type        = bool
  default     = true
}

variable "enable_api_call_monitoring" {
  description = "Make the alarm on unusual numbers of API calls. It reads CloudTrail, since Bedrock publishes no such metric."
  type        = bool
  default     = true
}

variable "enable_sns_encryption" {
  description = "Encrypt the topics with the module's key."
  type        = bool
  default     = true
}

variable "enable_ok_actions" {
  description = "Tell when an alarm is over, too."
  type        = bool
  default     = false
}

variable "enable_dashboard" {
  description = "Make the dashboard."
  type        = bool
  default     = true
}

variable "critical_alert_subscriptions" {
  description = "Who is told of errors and failures, by a name of yours: `{ ops = { protocol = \"email\", endpoint = \"ops@example.com\" } }`. Mail and SMS must be confirmed by the receiver."
  type        = map(object({ protocol = string, endpoint = string }))
  default     = {}

  validation {
    condition     = alltrue([for each in values(var.critical_alert_subscriptions) : contains(["email", "email-json", "sms", "https", "sqs", "lambda", "firehose", "application"], each.protocol) && length(each.endpoint) > 0])
    error_message = "`critical_alert_subscriptions` has a protocol that SNS does not know, or no endpoint: expected `email`, `email-json`, `sms`, `https`, `sqs`, `lambda`, `firehose` or `application`."
  }
}

variable "performance_alert_subscriptions" {
  description = "Who is told of latency and throttling, by a name of yours: `{ ops = { protocol = \"email\", endpoint = \"ops@example.com\" } }`. Mail and SMS must be confirmed by the receiver."
  type        = map(object({ protocol = string, endpoint = string }))
  default     = {}

  validation {
    condition     = alltrue([for each in values(var.performance_alert_subscriptions) : contains(["email", "email-json", "sms", "https", "sqs", "lambda", "firehose", "application"], each.protocol) && length(each.endpoint) > 0])
    error_message = "`performance_alert_subscriptions` has a protocol that SNS does not know, or no endpoint: expected `email`, `email-json`, `sms`, `https`, `sqs`, `lambda`, `firehose` or `application`."
  }
}

variable "cost_alert_subscriptions" {
  description = "Who is told of unusual use and cost, by a name of yours: `{ ops = { protocol = \"email\", endpoint = \"ops@example.com\" } }`. Mail and SMS must be confirmed by the receiver."
  type        = map(object({ protocol = string, endpoint = string }))
  default     = {}

  validation {
    condition     = alltrue([for each in values(var.cost_alert_subscriptions) : contains(["email", "email-json", "sms", "https", "sqs", "lambda", "firehose", "application"], each.protocol) && length(each.endpoint) > 0])
    error_message = "`cost_alert_subscriptions` has a protocol that SNS does not know, or no endpoint: expected `email`, `email-json`, `sms`, `https`, `sqs`, `lambda`, `firehose` or `application`."
  }
}

variable "sns_topic_principals" {
  description = "AWS accounts or principals, as ARNs, that may publish to the topics besides CloudWatch, EventBridge, Budgets and Cost Explorer. The source's default is everybody (`*`), which is refused."
  type        = list(string)
  default     = []

  validation {
    condition     = !contains(var.sns_topic_principals, "*")
    error_message = "`sns_topic_principals` lets everybody publish (`*`): name the principals, or leave it empty."
  }
}

variable "alarm_evaluation_periods" {
  description = "How many periods an alarm looks back."
  type        = number
  default     = 2

  validation {
    condition     = var.alarm_evaluation_periods >= 1 && floor(var.alarm_evaluation_periods) == var.alarm_evaluation_periods
    error_message = "`alarm_evaluation_periods` is no threshold that an alarm can have: expected a whole number of 1 or more."
  }
}

variable "alarm_datapoints_to_alarm" {
  description = "How many of them must be over the threshold."
  type        = number
  default     = 2

  validation {
    condition     = var.alarm_datapoints_to_alarm >= 1 && floor(var.alarm_datapoints_to_alarm) == var.alarm_datapoints_to_alarm
    error_message = "`alarm_datapoints_to_alarm` is no threshold that an alarm can have: expected a whole number of 1 or more."
  }
}

variable "alarm_period" {
  description = "Seconds of a period."
  type        = number
  default     = 300

  validation {
    condition     = contains([10, 20, 30], var.alarm_period) || (var.alarm_period >= 60 && var.alarm_period <= 86400 && var.alarm_period % 60 == 0)
    error_message = "`alarm_period` is none that CloudWatch takes: expected 10, 20, 30 or a multiple of 60 up to 86400 seconds."
  }
}

variable "anomaly_evaluation_periods" {
  description = "How many periods an alarm on anomalies looks back."
  type        = number
  default     = 2

  validation {
    condition     = var.anomaly_evaluation_periods >= 1 && floor(var.anomaly_evaluation_periods) == var.anomaly_evaluation_periods
    error_message = "`anomaly_evaluation_periods` is no threshold that an alarm can have: expected a whole number of 1 or more."
  }
}

variable "anomaly_period" {
  description = "Seconds of its period."
  type        = number
  default     = 300

  validation {
    condition     = contains([10, 20, 30], var.anomaly_period) || (var.anomaly_period >= 60 && var.anomaly_period <= 86400 && var.anomaly_period % 60 == 0)
    error_message = "`anomaly_period` is none that CloudWatch takes: expected 10, 20, 30 or a multiple of 60 up to 86400 seconds."
  }
}

variable "anomaly_threshold" {
  description = "Width of what is usual, in standard deviations."
  type        = number
  default     = 2

  validation {
    condition     = var.anomaly_threshold >= 0.1
    error_message = "`anomaly_threshold` is too small: expected 0.1 or more."
  }
}

variable "token_anomaly_threshold" {
  description = "The same for tokens."
  type        = number
  default     = 2

  validation {
    condition     = var.token_anomaly_threshold >= 0.1
    error_message = "`token_anomaly_threshold` is too small: expected 0.1 or more."
  }
}

variable "invocation_error_threshold" {
  description = "Client errors of the runtime in a period."
  type        = number
  default     = 10

  validation {
    condition     = var.invocation_error_threshold >= 0 && floor(var.invocation_error_threshold) == var.invocation_error_threshold
    error_message = "`invocation_error_threshold` is no threshold that an alarm can have: expected a whole number of 0 or more."
  }
}

variable "server_error_threshold" {
  description = "Server errors of the runtime in a period."
  type        = number
  default     = 5

  validation {
    condition     = var.server_error_threshold >= 0 && floor(var.server_error_threshold) == var.server_error_threshold
    error_message = "`server_error_threshold` is no threshold that an alarm can have: expected a whole number of 0 or more."
  }
}

variable "throttle_threshold" {
  description = "Throttled calls in a period."
  type        = number
  default     = 20

  validation {
    condition     = var.throttle_threshold >= 0 && floor(var.throttle_threshold) == var.throttle_threshold
    error_message = "`throttle_threshold` is no threshold that an alarm can have: expected a whole number of 0 or more."
  }
}

variable "latency_threshold_ms" {
  description = "99th percentile of the runtime's latency, in milliseconds."
  type        = number
  default     = 10000

  validation {
    condition     = var.latency_threshold_ms >= 1 && floor(var.latency_threshold_ms) == var.latency_threshold_ms
    error_message = "`latency_threshold_ms` is no threshold that an alarm can have: expected a whole number of 1 or more."
  }
}

variable "logging_failure_threshold" {
  description = "Log entries that could not be delivered in a period."
  type        = number
  default     = 1

  validation {
    condition     = var.logging_failure_threshold >= 1 && floor(var.logging_failure_threshold) == var.logging_failure_threshold
    error_message = "`logging_failure_threshold` is no threshold that an alarm can have: expected a whole number of 1 or more."
  }
}

variable "guardrails_blocked_threshold" {
  description = "Calls in which a guardrail stepped in, in a period. Masking counts, too: Bedrock has no metric of blocks alone."
  type        = number
  default     = 50

  validation {
    condition     = var.guardrails_blocked_threshold >= 0 && floor(var.guardrails_blocked_threshold) == var.guardrails_blocked_threshold
    error_message = "`guardrails_blocked_threshold` is no threshold that an alarm can have: expected a whole number of 0 or more."
  }
}

variable "agents_latency_threshold_ms" {
  description = "99th percentile of the time that agents take, in milliseconds."
  type        = number
  default     = 15000

  validation {
    condition     = var.agents_latency_threshold_ms >= 1 && floor(var.agents_latency_threshold_ms) == var.agents_latency_threshold_ms
    error_message = "`agents_latency_threshold_ms` is no threshold that an alarm can have: expected a whole number of 1 or more."
  }
}

variable "agents_error_threshold" {
  description = "Errors of agents in a period."
  type        = number
  default     = 5

  validation {
    condition     = var.agents_error_threshold >= 0 && floor(var.agents_error_threshold) == var.agents_error_threshold
    error_message = "`agents_error_threshold` is no threshold that an alarm can have: expected a whole number of 0 or more."
  }
}

variable "agents_throttle_threshold" {
  description = "Throttled calls of agents in a period."
  type        = number
  default     = 10

  validation {
    condition     = var.agents_throttle_threshold >= 0 && floor(var.agents_throttle_threshold) == var.agents_throttle_threshold
    error_message = "`agents_throttle_threshold` is no threshold that an alarm can have: expected a whole number of 0 or more."
  }
}

variable "kb_latency_threshold_ms" {
  description = "99th percentile of a knowledge base's latency, in milliseconds; it needs `knowledge_base_latency_metric`."
  type        = number
  default     = 5000

  validation {
    condition     = var.kb_latency_threshold_ms >= 1 && floor(var.kb_latency_threshold_ms) == var.kb_latency_threshold_ms
    error_message = "`kb_latency_threshold_ms` is no threshold that an alarm can have: expected a whole number of 1 or more."
  }
}

variable "kb_error_threshold" {
  description = "Errors of managed knowledge bases in a period."
  type        = number
  default     = 5

  validation {
    condition     = var.kb_error_threshold >= 0 && floor(var.kb_error_threshold) == var.kb_error_threshold
    error_message = "`kb_error_threshold` is no threshold that an alarm can have: expected a whole number of 0 or more."
  }
}

variable "kb_throttle_threshold" {
  description = "Throttled calls of managed knowledge bases in a period."
  type        = number
  default     = 10

  validation {
    condition     = var.kb_throttle_threshold >= 0 && floor(var.kb_throttle_threshold) == var.kb_throttle_threshold
    error_message = "`kb_throttle_threshold` is no threshold that an alarm can have: expected a whole number of 0 or more."
  }
}

variable "knowledge_base_latency_metric" {
  description = "The metric that `kb_latency_threshold_ms` is about. Bedrock publishes none, so it is one that your application sends; `null` makes no alarm rather than one that never goes off."
  type        = object({ namespace = string, name = string, dimensions = optional(map(string), {}) })
  default     = null

  validation {
    condition     = var.knowledge_base_latency_metric == null ? true : !startswith(var.knowledge_base_latency_metric.namespace, "AWS/")
    error_message = "`knowledge_base_latency_metric` is in a namespace of AWS, which has no such metric: name one that your application sends."
  }
}

variable "training_job_failure_threshold" {
  description = "More failed customisation jobs than this in a period raise the alarm."
  type        = number
  default     = 0

  validation {
    condition     = var.training_job_failure_threshold >= 0 && floor(var.training_job_failure_threshold) == var.training_job_failure_threshold
    error_message = "`training_job_failure_threshold` is no threshold that an alarm can have: expected a whole number of 0 or more."
  }
}

variable "training_alarm_evaluation_periods" {
  description = "How many periods that alarm looks back."
  type        = number
  default     = 1

  validation {
    condition     = var.training_alarm_evaluation_periods >= 1 && floor(var.training_alarm_evaluation_periods) == var.training_alarm_evaluation_periods
    error_message = "`training_alarm_evaluation_periods` is no threshold that an alarm can have: expected a whole number of 1 or more."
  }
}

variable "training_alarm_period" {
  description = "Seconds of its period."
  type        = number
  default     = 3600

  validation {
    condition     = contains([10, 20, 30], var.training_alarm_period) || (var.training_alarm_period >= 60 && var.training_alarm_period <= 86400 && var.training_alarm_period % 60 == 0)
    error_message = "`training_alarm_period` is none that CloudWatch takes: expected 10, 20, 30 or a multiple of 60 up to 86400 seconds."
  }
}

variable "maintenance_window_alarm_arn" {
  description = "An alarm of yours that is in `ALARM` during maintenance: the health alarms tell nobody then."
  type        = string
  default     = null

  validation {
    condition     = var.maintenance_window_alarm_arn == null || can(regex("^arn:aws[a-z-]*:cloudwatch:[a-z0-9-]+:[0-9]{12}:alarm:.+", var.maintenance_window_alarm_arn))
    error_message = "`maintenance_window_alarm_arn` is no ARN of an alarm: expected such as `arn:aws:cloudwatch:us-east-1:123456789012:alarm:maintenance`."
  }
}

variable "maintenance_suppression_wait_period" {
  description = "Seconds that the health alarms wait for the maintenance alarm to begin."
  type        = number
  default     = 300

  validation {
    condition     = var.maintenance_suppression_wait_period >= 1 && floor(var.maintenance_suppression_wait_period) == var.maintenance_suppression_wait_period
    error_message = "`maintenance_suppression_wait_period` is no threshold that an alarm can have: expected a whole number of 1 or more."
  }
}

variable "maintenance_suppression_extension_period" {
  description = "Seconds that they stay silent after it."
  type        = number
  default     = 300

  validation {
    condition     = var.maintenance_suppression_extension_period >= 1 && floor(var.maintenance_suppression_extension_period) == var.maintenance_suppression_extension_period
    error_message = "`maintenance_suppression_extension_period` is no threshold that an alarm can have: expected a whole number of 1 or more."
  }
}
