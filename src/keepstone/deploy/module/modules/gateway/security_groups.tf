# Who talks with whom. A group is a conversation: who takes part wears it, and its rules name the group itself. So all rules
# stand within their group and none beside it, and one that somebody adds is a difference that the next plan takes back.
# Two groups whose rules named each other could not say both so. See ADR 37.

locals {
  conversations = {
    serving  = { port = local.port, who = "Load balancer and machines" }
    files    = { port = 2049, who = "Machines and the file system of the ledgers" }
    database = { port = 5432, who = "Machines and PostgreSQL" }
    rates    = { port = 6379, who = "Machines and Valkey" }
  }
  client_cidrs = distinct([for cidr in var.client_cidrs : "${cidrhost(cidr, 0)}/${split("/", cidr)[1]}"])
  egress_cidrs = distinct([for cidr in var.egress_cidrs : "${cidrhost(cidr, 0)}/${split("/", cidr)[1]}"])

  # A rule of 443 that lets nobody through; each rule says whom it does.
  rule = { protocol = "tcp", from_port = 443, to_port = 443, cidr_blocks = [], ipv6_cidr_blocks = [], prefix_list_ids = [], security_groups = [], self = false }
}

resource "aws_security_group" "clients" {
  name        = "${local.name}-clients"
  description = "Clients of ${local.name}"
  vpc_id      = var.vpc_id
  tags        = merge(local.tags, { Name = "${local.name}-clients" })
  ingress     = [for cidr in local.client_cidrs : merge(local.rule, { description = "HTTPS from ${cidr}", cidr_blocks = [cidr] })]
  egress      = []
}

resource "aws_security_group" "among" {
  for_each    = local.conversations
  name        = "${local.name}-${each.key}"
  description = "${each.value.who} of ${local.name}"
  vpc_id      = var.vpc_id
  tags        = merge(local.tags, { Name = "${local.name}-${each.key}" })
  ingress     = [merge(local.rule, { description = each.value.who, from_port = each.value.port, to_port = each.value.port, self = true })]
  egress      = [merge(local.rule, { description = each.value.who, from_port = each.value.port, to_port = each.value.port, self = true })]
}

resource "aws_security_group" "services" {
  # checkov:skip=CKV2_AWS_5: machines have it, by a local, which checkov does not follow
  name        = "${local.name}-services"
  description = "Services of AWS that machines of ${local.name} reach"
  vpc_id      = var.vpc_id
  tags        = merge(local.tags, { Name = "${local.name}-services" })
  ingress     = []

  egress = concat(
    [for cidr in local.egress_cidrs : merge(local.rule, { description = "HTTPS to ${cidr}", cidr_blocks = [cidr] })],
    [for list in distinct(var.egress_prefix_list_ids) : merge(local.rule, { description = "HTTPS to ${list}", prefix_list_ids = [list] })],
  )
}

locals {
  worn_by = {
    balancer = [aws_security_group.clients.id, aws_security_group.among["serving"].id]
    machines = [for each in concat([aws_security_group.services], values(aws_security_group.among)) : each.id] # five, which is the most by default
  }
}
