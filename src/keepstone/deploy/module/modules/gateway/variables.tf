# What every deployment says: where it is, what runs there, and who may call it.

variable "environment" {
  description = "Deployment environment, the same as the outer module's. It begins the name of every resource."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.environment)) && length(var.environment) <= 15
    error_message = "`environment` begins resource names: expected up to 15 lower-case letters, digits or single hyphens that start with a letter, such as `production`."
  }
}

variable "tags" {
  description = "Tags of every resource that takes tags."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.tags) : !startswith(lower(key), "aws:")])
    error_message = "A key of `tags` begins with `aws:`, which AWS keeps for itself."
  }
}

variable "vpc_id" {
  description = "The VPC in which the gateway runs."
  type        = string

  validation {
    condition     = startswith(var.vpc_id, "vpc-")
    error_message = "`vpc_id` names no VPC: expected an id such as `vpc-0a1b2c3d4e5f60718`."
  }
}

variable "subnet_ids" {
  description = "Private subnets of load balancer, machines, file system and stores: one for each Availability Zone, at least two."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2 && length(var.subnet_ids) == length(distinct(var.subnet_ids))
    error_message = "`subnet_ids` has fewer than two subnets or names one twice: expected one for each of at least two Availability Zones."
  }
}

variable "client_cidrs" {
  description = "Ranges whose programs may call the gateway, by port 443 of the load balancer."
  type        = list(string)

  validation {
    condition     = length(var.client_cidrs) > 0 && alltrue([for cidr in var.client_cidrs : can(cidrhost(cidr, 0))])
    error_message = "`client_cidrs` is empty or has an entry that is no CIDR block: expected ranges such as `10.30.0.0/16`."
  }

  validation {
    condition     = alltrue([for cidr in var.client_cidrs : !endswith(cidr, "/0")])
    error_message = "`client_cidrs` opens the gateway to every address (`/0`): name the ranges that need it."
  }
}

variable "egress_cidrs" {
  description = "Ranges that machines reach by port 443: where the endpoints of Bedrock, STS, Secrets Manager, logs and the registry stand, usually the VPC's range."
  type        = list(string)

  validation {
    condition     = length(var.egress_cidrs) > 0 && alltrue([for cidr in var.egress_cidrs : can(cidrhost(cidr, 0))])
    error_message = "`egress_cidrs` is empty or has an entry that is no CIDR block: expected the range of the endpoints, such as `10.0.0.0/16`."
  }
}

variable "egress_prefix_list_ids" {
  description = "Prefix lists that machines reach by port 443, such as that of the gateway endpoint of S3."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.egress_prefix_list_ids : startswith(id, "pl-")])
    error_message = "`egress_prefix_list_ids` has an entry that is no prefix list: expected ids such as `pl-0a1b2c3d`."
  }
}

variable "certificate_arn" {
  description = "Certificate of ACM for the name by which clients call the load balancer."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:acm:[a-z0-9-]+:[0-9]{12}:certificate/.+$", var.certificate_arn))
    error_message = "`certificate_arn` is no certificate of ACM: expected an ARN such as `arn:aws:acm:us-east-1:123456789012:certificate/…`."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of every role."
  type        = string
  default     = null
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

variable "deletion_protection" {
  description = "Keep load balancer and database from being destroyed by mistake."
  type        = bool
  default     = true
}
