# Network: where the endpoints stand and who reaches them.

variable "vpc_id" {
  description = "The VPC in which the endpoints stand. It has no default: the source's example id belongs to nobody."
  type        = string

  validation {
    condition     = startswith(var.vpc_id, "vpc-")
    error_message = "`vpc_id` names no VPC: expected an id such as `vpc-0a1b2c3d4e5f60718`."
  }
}

variable "subnet_ids" {
  description = "The subnets in which the endpoints get an address: one for each Availability Zone, at least two."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0 && length(var.subnet_ids) == length(distinct(var.subnet_ids))
    error_message = "`subnet_ids` is empty or names a subnet twice: expected one subnet for each Availability Zone."
  }
}

variable "vpc_cidr" {
  description = "The VPC's range; it may use the endpoints of logs, monitoring, KMS and STS."
  type        = string
  default     = "10.0.0.0/16"

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0))
    error_message = "`vpc_cidr` is no CIDR block: expected one such as `10.0.0.0/16`."
  }
}

variable "management_allowed_cidrs" {
  description = "Ranges that may use the control plane's endpoints. The source's default is `10.20.0.0/8`, which EC2 reads as all of `10.0.0.0/8`; here it is `10.20.0.0/16`."
  type        = list(string)
  default     = ["10.20.0.0/16"]

  validation {
    condition     = alltrue([for cidr in var.management_allowed_cidrs : can(cidrhost(cidr, 0))])
    error_message = "`management_allowed_cidrs` has an entry that is no CIDR block: expected ranges such as `10.20.0.0/16`."
  }

  validation {
    condition     = alltrue([for cidr in var.management_allowed_cidrs : !endswith(cidr, "/0")])
    error_message = "`management_allowed_cidrs` opens the control plane to every address (`/0`): name the ranges that need it."
  }
}

variable "runtime_allowed_cidrs" {
  description = "Ranges that may invoke models through the endpoints."
  type        = list(string)
  default     = ["10.30.0.0/16", "10.40.0.0/16"]

  validation {
    condition     = alltrue([for cidr in var.runtime_allowed_cidrs : can(cidrhost(cidr, 0))])
    error_message = "`runtime_allowed_cidrs` has an entry that is no CIDR block: expected ranges such as `10.30.0.0/16`."
  }

  validation {
    condition     = alltrue([for cidr in var.runtime_allowed_cidrs : !endswith(cidr, "/0")])
    error_message = "`runtime_allowed_cidrs` opens the models to every address (`/0`): name the ranges that need them."
  }
}

variable "strict_cidrs" {
  description = "Refuse a range with host bits, such as `10.20.0.0/8`, instead of reading it as EC2 does and warning."
  type        = bool
  default     = false
}

variable "route_table_ids" {
  description = "Route tables that get a gateway endpoint of S3, through which logs leave without the internet. Empty makes none."
  type        = list(string)
  default     = []
}

variable "enable_private_dns" {
  description = "Let the services' own names lead to the endpoints within the VPC. The VPC needs DNS support and DNS host names."
  type        = bool
  default     = true
}

variable "enable_bedrock_management_endpoint" {
  description = "Make the endpoint of the control plane, `bedrock`."
  type        = bool
  default     = true
}

variable "enable_bedrock_runtime_endpoint" {
  description = "Make the endpoint through which models are invoked, `bedrock-runtime`."
  type        = bool
  default     = true
}

variable "enable_bedrock_agent_endpoint" {
  description = "Make the endpoint of agents and knowledge bases, `bedrock-agent`."
  type        = bool
  default     = true
}

variable "enable_bedrock_agent_runtime_endpoint" {
  description = "Make the endpoint through which agents and knowledge bases are asked, `bedrock-agent-runtime`."
  type        = bool
  default     = true
}

variable "enable_bedrock_mantle_endpoint" {
  description = "Make the endpoint of the OpenAI- and Anthropic-compatible interface, `bedrock-mantle`. Without it those calls leave by the internet."
  type        = bool
  default     = true
}

variable "enable_support_endpoints" {
  description = "Make the endpoints of logs, monitoring, KMS and STS, which a closed VPC needs beside Bedrock's."
  type        = bool
  default     = true
}

variable "use_fips_endpoints" {
  description = "Make the FIPS endpoints of the control plane and the runtime instead of the usual ones (United States, Canada and GovCloud)."
  type        = bool
  default     = false
}

variable "existing_endpoint_ids" {
  description = "Endpoints that the VPC has already, by service (`{ kms = \"vpce-…\" }`): they are used and not made again, since a VPC takes one private name of a service."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for id in values(var.existing_endpoint_ids) : startswith(id, "vpce-")])
    error_message = "`existing_endpoint_ids` has a value that is no endpoint: expected ids such as `vpce-0a1b2c3d4e5f60718`."
  }

  validation {
    condition = alltrue([
      for service in keys(var.existing_endpoint_ids) : contains([
        "bedrock", "bedrock-runtime", "bedrock-mantle", "bedrock-agent", "bedrock-agent-runtime",
        "logs", "monitoring", "kms", "sts",
      ], service)
    ])
    error_message = "`existing_endpoint_ids` names a service that this module makes no endpoint of: expected `bedrock`, `bedrock-runtime`, `bedrock-mantle`, `bedrock-agent`, `bedrock-agent-runtime`, `logs`, `monitoring`, `kms` or `sts`."
  }
}

variable "custom_endpoint_policies" {
  description = "Endpoint policies of your own, as JSON by service, in the place of this module's."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for policy in values(var.custom_endpoint_policies) : can(jsondecode(policy))])
    error_message = "`custom_endpoint_policies` has a value that is not JSON: write it with `jsonencode`."
  }
}

variable "enable_flow_logs" {
  description = "Log the traffic of the VPC, refused and accepted, to CloudWatch. Off where the VPC's owner logs it already."
  type        = bool
  default     = true
}
