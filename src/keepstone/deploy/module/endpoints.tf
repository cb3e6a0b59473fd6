# Private ways to Bedrock and to what stands beside it. What passes each is said by its policy.

locals {
  wanted_endpoints = {
    bedrock                 = var.enable_bedrock_management_endpoint
    "bedrock-runtime"       = var.enable_bedrock_runtime_endpoint
    "bedrock-agent"         = var.enable_bedrock_agent_endpoint
    "bedrock-agent-runtime" = var.enable_bedrock_agent_runtime_endpoint
    "bedrock-mantle"        = var.enable_bedrock_mantle_endpoint
    logs                    = var.enable_support_endpoints
    monitoring              = var.enable_support_endpoints
    kms                     = var.enable_support_endpoints
    sts                     = var.enable_support_endpoints
  }
  endpoint_table = jsondecode(file("${path.module}/data/endpoints.json"))
  endpoints = {
    for service, each in local.endpoint_table : service => each
    if local.wanted_endpoints[service] && !contains(keys(var.existing_endpoint_ids), service)
  }
  endpoint_ids = merge(var.existing_endpoint_ids, { for service, each in aws_vpc_endpoint.this : service => each.id })
}

data "aws_iam_policy_document" "endpoint" {
  for_each = local.endpoints

  statement {
    sid       = "OwnAccountOnly"
    actions   = each.value.actions
    resources = ["*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [local.account]
    }
  }
}

resource "aws_vpc_endpoint" "this" {
  for_each            = local.endpoints
  vpc_id              = var.vpc_id
  service_name        = "com.amazonaws.${local.region}.${var.use_fips_endpoints && each.value.fips ? "${each.key}-fips" : each.key}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = var.subnet_ids
  security_group_ids  = [aws_security_group.endpoint[each.value.segment].id]
  private_dns_enabled = var.enable_private_dns
  policy              = lookup(var.custom_endpoint_policies, each.key, data.aws_iam_policy_document.endpoint[each.key].json)
  tags                = merge(local.tags, { Name = "${local.prefix}-${each.key}" })
}

resource "aws_vpc_endpoint" "s3" {
  count             = length(var.route_table_ids) > 0 ? 1 : 0
  vpc_id            = var.vpc_id
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = var.route_table_ids
  policy            = data.aws_iam_policy_document.s3_endpoint.json
  tags              = merge(local.tags, { Name = "${local.prefix}-s3" })
}

data "aws_iam_policy_document" "s3_endpoint" {
  statement {
    sid       = "OwnAccountOnly"
    actions   = ["s3:GetObject", "s3:ListBucket", "s3:PutObject"]
    resources = ["*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [local.account]
    }
  }
}
