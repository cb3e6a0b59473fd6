# Three segments, each 443 only and inwards only: control plane, models, and what the VPC needs beside them.

locals {
  segments = {
    management = { cidrs = local.management_cidrs, what = "the control plane of Bedrock" }
    runtime    = { cidrs = local.runtime_cidrs, what = "the models" }
    general    = { cidrs = [local.vpc_cidr], what = "logs, monitoring, KMS and STS" }
  }
}

resource "aws_security_group" "endpoint" {
  # checkov:skip=CKV2_AWS_5: endpoints have them, by `for_each`, which checkov does not follow
  for_each    = local.segments
  name        = "${local.prefix}-${each.key}"
  description = "HTTPS to ${each.value.what}"
  vpc_id      = var.vpc_id
  tags        = merge(local.tags, { Name = "${local.prefix}-${each.key}" })

  # All rules are in here, none beside it: one that somebody adds is a difference that the next plan takes back.
  egress = []
  ingress = [for cidr in each.value.cidrs : {
    description      = "HTTPS from ${cidr}"
    protocol         = "tcp"
    from_port        = 443
    to_port          = 443
    cidr_blocks      = [cidr]
    ipv6_cidr_blocks = []
    prefix_list_ids  = []
    security_groups  = []
    self             = false
  }]

  lifecycle {
    create_before_destroy = true

    precondition {
      condition     = !var.strict_cidrs || length(local.with_host_bits) == 0
      error_message = "A range has host bits and `strict_cidrs` is on: ${join(", ", local.with_host_bits)}. Write the range that is meant."
    }
  }
}
