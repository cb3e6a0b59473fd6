# Access: which models, from where, by whom.

variable "bedrock_role_name" {
  description = "Name of the role by which people and programs use Bedrock."
  type        = string
  default     = "JQ-12345678-Bedrock"

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.bedrock_role_name))
    error_message = "`bedrock_role_name` is no name of a role: expected up to 64 letters, digits or `+=,.@_-`."
  }
}

variable "trusted_principals" {
  description = "ARNs of those who may assume the access role. Empty leaves it to the Bedrock service in this account. The source does not say who assumes it; a wildcard is refused."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.trusted_principals : can(regex("^arn:aws[a-z-]*:(iam|sts)::[0-9]{12}:", arn))])
    error_message = "`trusted_principals` has an entry that is no ARN of a principal: expected such as `arn:aws:iam::123456789012:role/DataScience`; `*` is not accepted."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of every role that the module makes."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/", var.permissions_boundary_arn))
    error_message = "`permissions_boundary_arn` is no ARN of a policy: expected such as `arn:aws:iam::123456789012:policy/DeveloperBoundary`."
  }
}

variable "access_role_policy_arns" {
  description = "Policies of your own that the access role has besides the module's. Every other one is taken off it by an apply."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.access_role_policy_arns : can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/", arn))])
    error_message = "`access_role_policy_arns` has an entry that is no ARN of a policy: expected such as `arn:aws:iam::123456789012:policy/ReadReports`."
  }
}

variable "allowed_model_regions" {
  description = "Regions in which models may be invoked, destinations of inference profiles included."
  type        = list(string)
  default     = ["us-east-1", "us-east-2", "us-west-2"]

  validation {
    condition     = length(var.allowed_model_regions) > 0 && alltrue([for region in var.allowed_model_regions : can(regex("^[a-z]{2,4}(-[a-z]+)+-[0-9]+$", region))])
    error_message = "`allowed_model_regions` is empty or has an entry that is no region: expected names such as `us-east-1`."
  }
}

variable "foundation_models" {
  description = "ARNs of the foundation models and inference profiles that may be invoked. Empty allows every foundation model in the allowed regions."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.foundation_models : can(regex("^arn:aws[a-z-]*:bedrock:[a-z0-9-]*:([0-9]{12})?:(foundation-model|inference-profile|application-inference-profile|provisioned-model|custom-model|imported-model)/[^*?]+$", arn))])
    error_message = "`foundation_models` has an entry that is no ARN of a model or profile without wildcards: expected such as `arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-5-sonnet-20240620-v1:0`."
  }
}

variable "allowed_services" {
  description = "Other services' principals that the key may serve besides those that the module sets up, such as `sagemaker.amazonaws.com`. Each is bound to this account."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for service in var.allowed_services : can(regex("^[a-z0-9.-]+\\.amazonaws\\.com(\\.cn)?$", service))])
    error_message = "`allowed_services` has an entry that is no service: expected such as `sagemaker.amazonaws.com`."
  }
}

variable "enforce_guardrail" {
  description = "Let the access role invoke models with the module's guardrail only (`bedrock:GuardrailIdentifier`). It has an effect where `enable_guardrails` is on."
  type        = bool
  default     = true
}
