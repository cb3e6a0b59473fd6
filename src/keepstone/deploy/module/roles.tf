# A role may do what its policies here say: one that somebody adds beside them is a difference that an apply takes off.

locals {
  roles = merge(
    {
      access  = { name = aws_iam_role.access.name, attached = concat([aws_iam_policy.access.arn], var.access_role_policy_arns), inline = [] }
      logging = { name = aws_iam_role.logging.name, attached = [aws_iam_policy.logging.arn], inline = [] }
    },
    { for role in aws_iam_role.trail[*] : "trail" => { name = role.name, attached = [], inline = aws_iam_role_policy.trail[*].name } },
    { for role in aws_iam_role.flow[*] : "flow" => { name = role.name, attached = [], inline = aws_iam_role_policy.flow[*].name } },
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
