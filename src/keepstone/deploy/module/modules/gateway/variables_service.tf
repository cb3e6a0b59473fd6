# The gateway's process: its image, its size, its machines, what it may do.

variable "image" {
  description = "The image by digest, with your policy in it at `/etc/keepstone/keepstone.yaml`."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "`image` is not pinned: a tag can be moved. Expected a digest, such as `…/keepstone@sha256:…`."
  }
}

variable "repository_arns" {
  description = "Repositories of ECR that hold the image; empty where it comes from a registry that asks for no login."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.repository_arns : can(regex("^arn:[a-z-]+:ecr:[a-z0-9-]+:[0-9]{12}:repository/.+$", arn))])
    error_message = "`repository_arns` has an entry that is no repository of ECR: expected ARNs such as `arn:aws:ecr:us-east-1:123456789012:repository/keepstone`."
  }
}

variable "gateway_policy" {
  description = "What the gateway may do: the output of `keepstone deploy iam-policy gateway --account …`. It becomes the whole of the role's policy."
  type        = string

  validation {
    condition     = can([for each in jsondecode(var.gateway_policy).Statement : each.Effect])
    error_message = "`gateway_policy` is no IAM policy document: expected the output of `keepstone deploy iam-policy gateway`."
  }

  validation {
    condition     = try(alltrue([for each in jsondecode(var.gateway_policy).Statement : alltrue([for action in flatten([each.Action]) : !endswith(action, "*")])]), true)
    error_message = "`gateway_policy` allows actions by `*`: expected each action by name, as `keepstone deploy iam-policy gateway` prints them."
  }
}

variable "machines" {
  description = "Names of the machines that always run, each with a ledger of its own. A name that is taken away leaves its ledger in the file system."
  type        = list(string)
  default     = ["a", "b"]

  validation {
    condition     = length(var.machines) >= 2 && length(var.machines) == length(distinct(var.machines)) && alltrue([for name in var.machines : can(regex("^[a-z][a-z0-9]{0,7}$", name))])
    error_message = "`machines` needs at least two different names of up to 8 lower-case letters and digits, such as `a` and `b`: while one is replaced, the other serves."
  }
}

variable "machines_when_busy" {
  description = "Names of the machines that run only under load, in this order."
  type        = list(string)
  default     = ["c", "d"]

  validation {
    condition     = length(var.machines_when_busy) == length(distinct(var.machines_when_busy)) && alltrue([for name in var.machines_when_busy : can(regex("^[a-z][a-z0-9]{0,7}$", name))])
    error_message = "`machines_when_busy` has a name twice, or one that is not up to 8 lower-case letters and digits, such as `c`."
  }
}

variable "started" {
  description = "Whether machines run. `false` for the first apply, until the secret has its values."
  type        = bool
  default     = true
}

variable "cpu" {
  description = "CPU units of a machine: 1024 are one core."
  type        = number
  default     = 2048

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "`cpu` is no size of Fargate: expected 256, 512, 1024, 2048, 4096, 8192 or 16384."
  }
}

variable "memory" {
  description = "Memory of a machine in MiB. Fargate takes 2 to 8 GB for each core."
  type        = number
  default     = 4096

  validation {
    condition     = var.memory >= 512 && var.memory <= 122880 && floor(var.memory) == var.memory
    error_message = "`memory` is outside of what Fargate has: expected MiB from 512 to 122880."
  }
}

variable "architecture" {
  description = "Processor of the machines, which the image has to be for: `X86_64` or `ARM64`."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "`architecture` is none of Fargate: expected `X86_64` or `ARM64`."
  }
}

variable "workers" {
  description = "Processes of a machine that serve; one for each core is right."
  type        = number
  default     = 2

  validation {
    condition     = var.workers >= 1 && var.workers <= 64 && floor(var.workers) == var.workers
    error_message = "`workers` is outside of what the gateway takes: expected 1 to 64."
  }
}

variable "overlays" {
  description = "Policy overlays by machine: `{ a = \"a\" }` lays the image's `keepstone.a.yaml` over the policy of machine `a`, with the prefix of its copy in S3."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in values(var.overlays) : can(regex("^[a-z][a-z0-9_-]*$", name))])
    error_message = "`overlays` names an overlay that is no plain lower-case word, such as `a`."
  }
}

variable "secret_names" {
  description = "Names of further environment variables that the policy reads secrets from, each a key of the gateway's secret."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.secret_names : can(regex("^[A-Z][A-Z0-9_]*$", name)) && !startswith(name, "KEEPSTONE_") && !startswith(name, "PG")])
    error_message = "`secret_names` has a name that is no environment variable of yours: expected capitals, digits and `_`, and none that begins with `KEEPSTONE_` or `PG`."
  }
}

variable "drain_seconds" {
  description = "How long a machine that was told to stop is unready but serves. The gateway then gives running calls 30 seconds and closes its ledger; Fargate kills after 120."
  type        = number
  default     = 20

  validation {
    condition     = var.drain_seconds >= 10 && var.drain_seconds <= 60
    error_message = "`drain_seconds` leaves no time to notice, or none to end calls and close the ledger before Fargate kills at 120 seconds: expected 10 to 60."
  }
}
