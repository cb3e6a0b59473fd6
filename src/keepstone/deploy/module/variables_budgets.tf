# Money: budgets, and monitors that notice unusual cost.

variable "enable_budget_monitoring" {
  description = "Make the monthly budget of Bedrock's cost."
  type        = bool
  default     = true
}

variable "bedrock_monthly_budget_limit" {
  description = "The budget, in US dollars a month."
  type        = string
  default     = "1000"

  validation {
    condition     = can(tonumber(var.bedrock_monthly_budget_limit)) ? tonumber(var.bedrock_monthly_budget_limit) > 0 : false
    error_message = "`bedrock_monthly_budget_limit` is no amount: expected dollars such as `1000`."
  }
}

variable "budget_warning_threshold" {
  description = "Percent of the budget spent at which people are warned."
  type        = number
  default     = 50

  validation {
    condition     = var.budget_warning_threshold > 0 && var.budget_warning_threshold <= 1000
    error_message = "`budget_warning_threshold` is no percentage that AWS Budgets takes: expected more than 0 and at most 1000."
  }
}

variable "budget_critical_threshold" {
  description = "Percent spent that is critical."
  type        = number
  default     = 80

  validation {
    condition     = var.budget_critical_threshold > 0 && var.budget_critical_threshold <= 1000
    error_message = "`budget_critical_threshold` is no percentage that AWS Budgets takes: expected more than 0 and at most 1000."
  }
}

variable "budget_forecast_threshold" {
  description = "Percent that the forecast reaches."
  type        = number
  default     = 100

  validation {
    condition     = var.budget_forecast_threshold > 0 && var.budget_forecast_threshold <= 1000
    error_message = "`budget_forecast_threshold` is no percentage that AWS Budgets takes: expected more than 0 and at most 1000."
  }
}

variable "budget_notification_email" {
  description = "One more address for all of them. The source's default is somebody's; here it is nobody's."
  type        = string
  default     = null

  validation {
    condition     = var.budget_notification_email == null || can(regex("^[^@[:space:]]+@[^@[:space:]]+$", var.budget_notification_email))
    error_message = "`budget_notification_email` is no mail address."
  }
}

variable "budget_notification_emails" {
  description = "Who hears of every threshold. At most ten addresses each, AWS Budgets says."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for mail in var.budget_notification_emails : can(regex("^[^@[:space:]]+@[^@[:space:]]+$", mail))])
    error_message = "`budget_notification_emails` has an entry that is no mail address."
  }
}

variable "budget_warning_emails" {
  description = "Who hears of the warning."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for mail in var.budget_warning_emails : can(regex("^[^@[:space:]]+@[^@[:space:]]+$", mail))])
    error_message = "`budget_warning_emails` has an entry that is no mail address."
  }
}

variable "budget_critical_emails" {
  description = "Who hears of the critical threshold."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for mail in var.budget_critical_emails : can(regex("^[^@[:space:]]+@[^@[:space:]]+$", mail))])
    error_message = "`budget_critical_emails` has an entry that is no mail address."
  }
}

variable "budget_forecast_emails" {
  description = "Who hears of the forecast."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for mail in var.budget_forecast_emails : can(regex("^[^@[:space:]]+@[^@[:space:]]+$", mail))])
    error_message = "`budget_forecast_emails` has an entry that is no mail address."
  }
}

variable "include_related_ai_services" {
  description = "Count Amazon SageMaker, Comprehend, Textract and Rekognition into the budget."
  type        = bool
  default     = false
}

variable "budget_cost_filter_tags" {
  description = "Only cost with these tags, as `{ Project = \"AI-Platform\" }`."
  type        = map(string)
  default     = {}
}

variable "budget_auto_adjust_type" {
  description = "`HISTORICAL` or `FORECAST` sets the limit from what was spent; `null` keeps the limit."
  type        = string
  default     = null

  validation {
    condition     = var.budget_auto_adjust_type == null ? true : contains(["HISTORICAL", "FORECAST"], var.budget_auto_adjust_type)
    error_message = "`budget_auto_adjust_type` is none that AWS Budgets knows: expected `HISTORICAL` or `FORECAST`."
  }
}

variable "budget_historical_adjustment_period" {
  description = "Months that `HISTORICAL` looks back."
  type        = number
  default     = 6

  validation {
    condition     = var.budget_historical_adjustment_period >= 1 && floor(var.budget_historical_adjustment_period) == var.budget_historical_adjustment_period
    error_message = "`budget_historical_adjustment_period` is no threshold that an alarm can have: expected a whole number of 1 or more."
  }
}

variable "enable_token_budget_monitoring" {
  description = "Make the monthly budget of tokens: an alarm on what the runtime counts, since AWS Budgets knows no tokens."
  type        = bool
  default     = true
}

variable "token_monthly_budget_limit" {
  description = "Tokens a month. The alarm looks at a day: it goes off when a day uses more than a thirtieth of the threshold's share."
  type        = string
  default     = "1000000"

  validation {
    condition     = can(tonumber(var.token_monthly_budget_limit)) ? tonumber(var.token_monthly_budget_limit) > 0 : false
    error_message = "`token_monthly_budget_limit` is no number of tokens: expected such as `1000000`."
  }
}

variable "token_budget_threshold" {
  description = "Percent of it at which people are told."
  type        = number
  default     = 80

  validation {
    condition     = var.token_budget_threshold > 0 && var.token_budget_threshold <= 1000
    error_message = "`token_budget_threshold` is no percentage that AWS Budgets takes: expected more than 0 and at most 1000."
  }
}

variable "token_budget_emails" {
  description = "Who hears of it: they are subscribed to the cost topic."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for mail in var.token_budget_emails : can(regex("^[^@[:space:]]+@[^@[:space:]]+$", mail))])
    error_message = "`token_budget_emails` has an entry that is no mail address."
  }
}

variable "enable_budget_anomaly_detection" {
  description = "Make Cost Explorer's monitor of unusual cost."
  type        = bool
  default     = true
}

variable "budget_anomaly_threshold" {
  description = "Dollars above what is usual at which people are told."
  type        = number
  default     = 100

  validation {
    condition     = var.budget_anomaly_threshold > 0
    error_message = "`budget_anomaly_threshold` is no amount: expected more than 0."
  }
}

variable "budget_anomaly_frequency" {
  description = "`DAILY`, `WEEKLY` or `IMMEDIATE`. `IMMEDIATE` goes to the cost topic, the others by mail."
  type        = string
  default     = "DAILY"

  validation {
    condition     = contains(["DAILY", "WEEKLY", "IMMEDIATE"], var.budget_anomaly_frequency)
    error_message = "`budget_anomaly_frequency` is none that Cost Explorer knows: expected `DAILY`, `WEEKLY` or `IMMEDIATE`."
  }
}

variable "budget_anomaly_emails" {
  description = "Who hears of unusual cost."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for mail in var.budget_anomaly_emails : can(regex("^[^@[:space:]]+@[^@[:space:]]+$", mail))])
    error_message = "`budget_anomaly_emails` has an entry that is no mail address."
  }
}

variable "enable_token_anomaly_detection" {
  description = "Make the alarm on an unusual number of tokens in a day."
  type        = bool
  default     = true
}

variable "token_anomaly_threshold_value" {
  description = "Tokens in a day below which nothing is unusual."
  type        = number
  default     = 1000

  validation {
    condition     = var.token_anomaly_threshold_value >= 0 && floor(var.token_anomaly_threshold_value) == var.token_anomaly_threshold_value
    error_message = "`token_anomaly_threshold_value` is no threshold that an alarm can have: expected a whole number of 0 or more."
  }
}
