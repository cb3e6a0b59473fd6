# Names and places that every other file uses.

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition
  suffix    = data.aws_partition.this.dns_suffix
  region    = data.aws_region.this.id # the region's name on 5.100 and on 6.x alike

  prefix = "${var.environment}-bedrock"
  name   = "${local.prefix}-gateway"
  tags   = merge({ Solution = "bedrock-management-runtime", Environment = var.environment, ManagedBy = "terraform" }, var.tags)

  # Every machine has a ledger of its own, and goes on with it when its task is replaced.
  machines = distinct(concat(var.machines, var.machines_when_busy))
  port     = 8443
  uid      = 10001 # of the image
  home     = "/var/lib/keepstone"

  from_this_account = {
    test     = "StringEquals"
    variable = "aws:SourceAccount"
    values   = [local.account]
  }
}
