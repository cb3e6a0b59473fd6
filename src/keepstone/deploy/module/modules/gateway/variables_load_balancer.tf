# How calls come in: TLS, how long an answer may take, what the web firewall does.

variable "tls_policy" {
  description = "TLS policy of the load balancer: 1.3 and 1.2 with forward secrecy, or 1.3 alone."
  type        = string
  default     = "ELBSecurityPolicy-TLS13-1-2-2021-06"

  validation {
    condition     = contains(["ELBSecurityPolicy-TLS13-1-2-2021-06", "ELBSecurityPolicy-TLS13-1-2-Res-2021-06", "ELBSecurityPolicy-TLS13-1-3-2021-06", "ELBSecurityPolicy-TLS13-1-2-FIPS-2023-04", "ELBSecurityPolicy-TLS13-1-3-FIPS-2023-04"], var.tls_policy)
    error_message = "`tls_policy` lets in TLS older than 1.2, or is unknown: expected one such as `ELBSecurityPolicy-TLS13-1-2-2021-06`."
  }
}

variable "longest_silence_seconds" {
  description = "How long a call may be silent, such as a model that thinks before its first token, until the load balancer gives it up."
  type        = number
  default     = 600

  validation {
    condition     = var.longest_silence_seconds >= 60 && var.longest_silence_seconds <= 3600
    error_message = "`longest_silence_seconds` cuts answers of slow models off, or is more than the load balancer and the gateway take: expected 60 to 3600."
  }
}

variable "deregistration_seconds" {
  description = "How long a machine that is to be replaced keeps its running calls before it is told to stop."
  type        = number
  default     = 120

  validation {
    condition     = var.deregistration_seconds >= 0 && var.deregistration_seconds <= 3600
    error_message = "`deregistration_seconds` is outside of what the load balancer takes: expected 0 to 3600."
  }
}

variable "access_log_days" {
  description = "How long the load balancer's access logs are kept."
  type        = number
  default     = 365

  validation {
    condition     = var.access_log_days >= 1
    error_message = "`access_log_days` deletes access logs at once: expected at least 1."
  }
}

variable "enable_waf" {
  description = "Put a web ACL before the load balancer."
  type        = bool
  default     = true
}

variable "waf_rate_limit" {
  description = "Requests that one address may send in five minutes. Callers behind one NAT gateway are one address."
  type        = number
  default     = 30000

  validation {
    condition     = var.waf_rate_limit >= 10 && var.waf_rate_limit <= 2000000000
    error_message = "`waf_rate_limit` is outside of what WAF takes: expected 10 to 2000000000 in five minutes."
  }
}

variable "waf_count_only" {
  description = "Let the managed rules count and block nothing, to learn what they would do."
  type        = bool
  default     = false
}
