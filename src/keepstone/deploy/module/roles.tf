# A role may do what its policies here say: one that somebody adds beside them is a difference that an apply takes off.

# Which roles there are follows from the input alone: `terraform import` knows nothing of resources that are not made yet.
locals {
  roles = merge(
    {
      access  = { name = aws_iam_role.access.name, attached = concat([aws_iam_policy.access.arn], var.access_role_policy_arns), inline = [] }
      logging = { name = aws_iam_role.logging.name, attached = [aws_iam_policy.logging.arn], inline = [] }
    },
    { for each in var.enable_cloudtrail ? ["trail"] : [] : each => { name = aws_iam_role.trail[0].name, attached = [], inline = [aws_iam_role_policy.trail[0].name] } },
    { for each in var.enable_flow_logs ? ["flow"] : [] : each => { name = aws_iam_role.flow[0].name, attached = [], inline = [aws_iam_role_policy.flow[0].name] } },
  )
}

resource "aws_iam_role_policy_attachments_exclusive" "this" {
  for_each    = local.roles
  role_name   = each.value.name
  policy_arns = each.value.attached
  depends_on  = [aws_iam_role_policy_attachment.access, aws_iam_role_policy_attachment.logging]
}

resource "aws_iam_role_policies_exclusive" "this" {
  for_each     = local.roles
  role_name    = each.value.name
  policy_names = each.value.inline
}
