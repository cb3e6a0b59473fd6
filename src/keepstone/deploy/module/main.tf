# Names, places and tables that every other file uses.

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition
  suffix    = data.aws_partition.this.dns_suffix
  region    = data.aws_region.this.id # the region's name on 5.100 and on 6.x alike

  solution = "bedrock-management-runtime"
  prefix   = "${var.environment}-bedrock"
  tags     = merge({ Solution = local.solution, Environment = var.environment, ManagedBy = "terraform" }, var.tags)

  # Who calls on behalf of this account, and nobody else's resources: against the confused deputy.
  from_this_account = {
    test     = "StringEquals"
    variable = "aws:SourceAccount"
    values   = [local.account]
  }
  bedrock_arns = "arn:${local.partition}:bedrock:${local.region}:${local.account}:*"
}

# Ranges as EC2 reads them: host bits are cut off, and what is the same after that is one.
locals {
  management_cidrs = distinct([for cidr in var.management_allowed_cidrs : local.canonical[cidr]])
  runtime_cidrs    = distinct([for cidr in var.runtime_allowed_cidrs : local.canonical[cidr]])
  vpc_cidr         = local.canonical[var.vpc_cidr]

  canonical = {
    for cidr in distinct(concat(var.management_allowed_cidrs, var.runtime_allowed_cidrs, [var.vpc_cidr])) :
    cidr => "${cidrhost(cidr, 0)}/${split("/", cidr)[1]}"
  }
  with_host_bits = [for given, read in local.canonical : "`${given}` (EC2 reads `${read}`)" if given != read]
}
