# Two roles: the gateway's at work, which is what its policy says and no more; and the one that starts its task.

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = local.from_this_account.test
      variable = local.from_this_account.variable
      values   = local.from_this_account.values
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:ecs:${local.region}:${local.account}:*"]
    }
  }
}

# Its name is the one that `keepstone deploy iam-policy scp` lets call models.
resource "aws_iam_role" "gateway" {
  name                 = local.name
  description          = "The gateway at work: what `keepstone deploy iam-policy gateway` says"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = local.tags
}

resource "aws_iam_role_policy" "gateway" {
  name   = "gateway"
  role   = aws_iam_role.gateway.id
  policy = var.gateway_policy
}

data "aws_iam_policy_document" "start" {
  statement {
    sid       = "ReadTheSecret"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [aws_secretsmanager_secret.gateway.arn]
  }

  statement {
    sid       = "DecryptTheSecret"
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.this.arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${local.region}.${local.suffix}"]
    }
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${local.log_groups.gateway}:log-stream:*"]
  }

  dynamic "statement" {
    for_each = length(var.repository_arns) > 0 ? [1] : []

    content {
      sid       = "PullTheImage"
      actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources = var.repository_arns
    }
  }

  dynamic "statement" {
    for_each = length(var.repository_arns) > 0 ? [1] : []

    content {
      sid       = "LogInToTheRegistry"
      actions   = ["ecr:GetAuthorizationToken"]
      resources = ["*"] # it knows no other
    }
  }
}

resource "aws_iam_role" "start" {
  name                 = "${local.name}-start"
  description          = "Starts tasks of ${local.name}: its image, its secret, its log"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = local.tags
}

resource "aws_iam_role_policy" "start" {
  name   = "start"
  role   = aws_iam_role.start.id
  policy = data.aws_iam_policy_document.start.json
}

# A role may do what stands here: a policy that somebody adds beside is a difference that an apply takes off.
resource "aws_iam_role_policies_exclusive" "this" {
  for_each     = { gateway = aws_iam_role_policy.gateway, start = aws_iam_role_policy.start }
  role_name    = each.value.role
  policy_names = [each.value.name]
}

resource "aws_iam_role_policy_attachments_exclusive" "this" {
  for_each    = { gateway = aws_iam_role.gateway, start = aws_iam_role.start }
  role_name   = each.value.name
  policy_arns = []
}
