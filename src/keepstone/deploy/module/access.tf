# The role by which people and programs use Bedrock: named models, allowed regions, with the guardrail.

locals {
  model_regions = distinct(concat([local.region], var.allowed_model_regions))

  # A profile is invoked in its own region and lands in any of its destinations: each needs the model's ARN there.
  every_model = concat(
    [for region in var.allowed_model_regions : "arn:${local.partition}:bedrock:${region}::foundation-model/*"],
    ["arn:${local.partition}:bedrock:${local.region}:${local.account}:inference-profile/*"],
  )
  models = length(var.foundation_models) == 0 ? local.every_model : [
    for arn in var.foundation_models : arn if !contains(local.models_elsewhere, arn)
  ]
  models_elsewhere = [
    for arn in var.foundation_models : arn if !contains(local.model_regions, split(":", arn)[3])
  ]
  guardrail_arns = var.enable_guardrails ? [aws_bedrock_guardrail.this[0].guardrail_arn, "${aws_bedrock_guardrail.this[0].guardrail_arn}:*"] : []
  enforces       = var.enable_guardrails && var.enforce_guardrail
}

data "aws_iam_policy_document" "access_trust" {
  dynamic "statement" {
    for_each = length(var.trusted_principals) > 0 ? [1] : []

    content {
      sid     = "NamedPrincipals"
      actions = ["sts:AssumeRole"]

      principals {
        type        = "AWS"
        identifiers = var.trusted_principals
      }
    }
  }

  dynamic "statement" {
    for_each = length(var.trusted_principals) > 0 ? [] : [1]

    content {
      sid     = "BedrockInThisAccount"
      actions = ["sts:AssumeRole"]

      principals {
        type        = "Service"
        identifiers = ["bedrock.amazonaws.com"]
      }

      condition {
        test     = local.from_this_account.test
        variable = local.from_this_account.variable
        values   = local.from_this_account.values
      }

      condition {
        test     = "ArnLike"
        variable = "aws:SourceArn"
        values   = [local.bedrock_arns]
      }
    }
  }
}

data "aws_iam_policy_document" "access" {
  statement {
    sid       = "InvokeAllowedModels"
    actions   = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
    resources = local.models

    dynamic "condition" {
      for_each = local.enforces ? [1] : []

      content {
        test     = "StringLike"
        variable = "bedrock:GuardrailIdentifier"
        values   = local.guardrail_arns
      }
    }
  }

  dynamic "statement" {
    for_each = local.enforces ? [1] : []

    content {
      sid       = "NeverWithoutTheGuardrail"
      effect    = "Deny"
      actions   = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
      resources = ["*"]

      condition {
        test     = "StringNotLike"
        variable = "bedrock:GuardrailIdentifier"
        values   = local.guardrail_arns
      }
    }
  }

  dynamic "statement" {
    for_each = var.enable_guardrails ? [1] : []

    content {
      sid       = "ApplyTheGuardrail"
      actions   = ["bedrock:ApplyGuardrail", "bedrock:GetGuardrail"]
      resources = [aws_bedrock_guardrail.this[0].guardrail_arn]
    }
  }

  # Asks no model, so it takes no guardrail.
  statement {
    sid       = "CountTokens"
    actions   = ["bedrock:CountTokens"]
    resources = local.models
  }

  statement {
    sid       = "SeeModels"
    actions   = ["bedrock:GetFoundationModel", "bedrock:GetInferenceProfile"]
    resources = local.models
  }

  statement {
    sid       = "ListModels"
    actions   = ["bedrock:ListFoundationModels", "bedrock:ListInferenceProfiles"]
    resources = ["*"]
  }

  statement {
    sid       = "NoGlobalProfiles"
    effect    = "Deny"
    actions   = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
    resources = ["arn:${local.partition}:bedrock:*:*:inference-profile/global.*"]
  }

  statement {
    sid       = "DecryptTheGuardrail"
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.this.arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["bedrock.${local.region}.${local.suffix}"]
    }
  }
}

resource "aws_iam_role" "access" {
  name                 = var.bedrock_role_name
  description          = "Uses the allowed models of ${local.prefix}, with its guardrail"
  assume_role_policy   = data.aws_iam_policy_document.access_trust.json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = local.tags

  lifecycle {
    precondition {
      condition     = length(local.models) > 0
      error_message = "`foundation_models` names no model in `allowed_model_regions` (${join(", ", var.allowed_model_regions)}): nothing could be invoked."
    }
  }
}

resource "aws_iam_policy" "access" {
  name        = "${local.prefix}-access"
  description = "Named models in allowed regions, with the guardrail"
  policy      = data.aws_iam_policy_document.access.json
  tags        = local.tags
}

resource "aws_iam_role_policy_attachment" "access" {
  role       = aws_iam_role.access.name
  policy_arn = aws_iam_policy.access.arn
}
