# What every deployment says: where it is, and what its resources are called.

variable "environment" {
  description = "Deployment environment, such as `production`. It begins the name of every resource."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.environment))
    error_message = "`environment` begins resource names: expected up to 20 lower-case letters, digits or hyphens that start with a letter, such as `production`."
  }
}

variable "tags" {
  description = "Tags of every resource that takes tags. `Solution` and `Environment` are added where they are missing."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.tags) : !startswith(lower(key), "aws:")])
    error_message = "A key of `tags` begins with `aws:`, which AWS keeps for itself."
  }
}

variable "kms_deletion_window_days" {
  description = "How long the key can still be rescued after it was scheduled for deletion. Between 7 and 30 days."
  type        = number
  default     = 30

  validation {
    condition     = var.kms_deletion_window_days >= 7 && var.kms_deletion_window_days <= 30
    error_message = "`kms_deletion_window_days` is outside of what KMS accepts: expected 7 to 30."
  }
}

variable "kms_administrators" {
  description = "ARNs of roles that may administer the key. Empty leaves that to IAM policies of the account."
  type        = list(string)
  default     = []
}
