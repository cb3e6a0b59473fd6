# PostgreSQL for keys, Valkey for limits, and the file system of the ledgers.

variable "database_version" {
  description = "Version of Aurora PostgreSQL, 15 or newer. `16`: RDS chooses the minor version, and upgrades it in the maintenance window. `16.6`: that one, until this changes."
  type        = string
  default     = "16"

  validation {
    condition     = can(regex("^(1[5-9]|[2-9][0-9])(\\.[0-9]+)?$", var.database_version))
    error_message = "`database_version` is no version of Aurora PostgreSQL from 15 on: expected one such as `16` or `16.6`."
  }
}

variable "database_capacity" {
  description = "Least and most Aurora capacity units of each of the two instances. Keys need little."
  type        = object({ least = number, most = number })
  default     = { least = 0.5, most = 2 }

  validation {
    condition     = var.database_capacity.least >= 0.5 && var.database_capacity.least <= var.database_capacity.most && var.database_capacity.most <= 256
    error_message = "`database_capacity` is no range of Aurora: expected `least` from 0.5 (at 0 it would pause, and every key with it) up to `most`, 256 at most."
  }
}

variable "database_backup_days" {
  description = "How many days the database can be restored to."
  type        = number
  default     = 35

  validation {
    condition     = var.database_backup_days >= 7 && var.database_backup_days <= 35
    error_message = "`database_backup_days` is too short, or longer than Aurora keeps: expected 7 to 35."
  }
}

variable "rates_node_type" {
  description = "Node type of Valkey; there are two nodes."
  type        = string
  default     = "cache.t4g.small"

  validation {
    condition     = startswith(var.rates_node_type, "cache.")
    error_message = "`rates_node_type` is no node type of ElastiCache: expected one such as `cache.t4g.small`."
  }
}

variable "rates_password" {
  description = "Password of the gateway's user of Valkey. Terraform's state holds it, so keep that encrypted."
  type        = string
  sensitive   = true

  validation {
    condition     = can(regex("^[A-Za-z0-9]{32,128}$", var.rates_password))
    error_message = "`rates_password` is too short or does not fit into a URL: expected 32 to 128 letters and digits."
  }
}

variable "throughput_mode" {
  description = "How the file system of the ledgers is paid: `elastic` by use, `bursting` by size. A new ledger is small, so `bursting` would be slow."
  type        = string
  default     = "elastic"

  validation {
    condition     = contains(["elastic", "bursting"], var.throughput_mode)
    error_message = "`throughput_mode` is none of EFS that is supported here: expected `elastic` or `bursting`."
  }
}
