# Three segments, each 443 only and inwards only: control plane, models, and what the VPC needs beside them.

locals {
  segments = {
    management = { cidrs = local.management_cidrs, what = "the control plane of Bedrock" }
    runtime    = { cidrs = local.runtime_cidrs, what = "the models" }
    general    = { cidrs = [local.vpc_cidr], what = "logs, monitoring, KMS and STS" }
  }
  ingress = merge([
    for segment, each in local.segments : { for cidr in each.cidrs : "${segment} ${cidr}" => { segment = segment, cidr = cidr } }
  ]...)
}

resource "aws_security_group" "endpoint" {
  for_each    = local.segments
  name        = "${local.prefix}-${each.key}"
  description = "HTTPS to ${each.value.what}"
  vpc_id      = var.vpc_id
  tags        = merge(local.tags, { Name = "${local.prefix}-${each.key}" })

  lifecycle {
    create_before_destroy = true

    precondition {
      condition     = !var.strict_cidrs || length(local.with_host_bits) == 0
      error_message = "A range has host bits and `strict_cidrs` is on: ${join(", ", local.with_host_bits)}. Write the range that is meant."
    }
  }
}

resource "aws_vpc_security_group_ingress_rule" "https" {
  for_each          = local.ingress
  security_group_id = aws_security_group.endpoint[each.value.segment].id
  description       = "HTTPS from ${each.value.cidr}"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = each.value.cidr
  tags              = local.tags
}
