# Who reaches whom: named ranges the load balancer, that one the machines, these the stores. Nothing else.

locals {
  groups = {
    balancer = "Load balancer of ${local.name}"
    machines = "Machines of ${local.name}"
    files    = "File system of the ledgers of ${local.name}"
    database = "PostgreSQL of ${local.name}"
    rates    = "Valkey of ${local.name}"
  }

  # From whom to whom, by which port: a rule out of the one and a rule into the other.
  ways = {
    balancer-machines = { from = "balancer", to = "machines", port = local.port }
    machines-files    = { from = "machines", to = "files", port = 2049 }
    machines-database = { from = "machines", to = "database", port = 5432 }
    machines-rates    = { from = "machines", to = "rates", port = 6379 }
  }
  client_cidrs = distinct([for cidr in var.client_cidrs : "${cidrhost(cidr, 0)}/${split("/", cidr)[1]}"])
  egress_cidrs = distinct([for cidr in var.egress_cidrs : "${cidrhost(cidr, 0)}/${split("/", cidr)[1]}"])
}

resource "aws_security_group" "this" {
  for_each    = local.groups
  name        = "${local.name}-${each.key}"
  description = each.value
  vpc_id      = var.vpc_id
  tags        = merge(local.tags, { Name = "${local.name}-${each.key}" })
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each          = toset(local.client_cidrs)
  security_group_id = aws_security_group.this["balancer"].id
  description       = "HTTPS of clients"
  cidr_ipv4         = each.value
  from_port         = 443
  to_port           = 443
  ip_protocol       = "tcp"
  tags              = local.tags
}

resource "aws_vpc_security_group_ingress_rule" "inside" {
  for_each                     = local.ways
  security_group_id            = aws_security_group.this[each.value.to].id
  referenced_security_group_id = aws_security_group.this[each.value.from].id
  description                  = "From ${each.value.from}"
  from_port                    = each.value.port
  to_port                      = each.value.port
  ip_protocol                  = "tcp"
  tags                         = local.tags
}

resource "aws_vpc_security_group_egress_rule" "inside" {
  for_each                     = local.ways
  security_group_id            = aws_security_group.this[each.value.from].id
  referenced_security_group_id = aws_security_group.this[each.value.to].id
  description                  = "To ${each.value.to}"
  from_port                    = each.value.port
  to_port                      = each.value.port
  ip_protocol                  = "tcp"
  tags                         = local.tags
}

resource "aws_vpc_security_group_egress_rule" "endpoints" {
  for_each          = toset(local.egress_cidrs)
  security_group_id = aws_security_group.this["machines"].id
  description       = "Bedrock and other services of AWS"
  cidr_ipv4         = each.value
  from_port         = 443
  to_port           = 443
  ip_protocol       = "tcp"
  tags              = local.tags
}

resource "aws_vpc_security_group_egress_rule" "prefix_lists" {
  for_each          = toset(var.egress_prefix_list_ids)
  security_group_id = aws_security_group.this["machines"].id
  description       = "S3 by its gateway endpoint"
  prefix_list_id    = each.value
  from_port         = 443
  to_port           = 443
  ip_protocol       = "tcp"
  tags              = local.tags
}
