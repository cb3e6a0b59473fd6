# Where the ledgers lie: one file system across the zones, one folder for each machine that no other machine can enter.
# A write that is confirmed here is on several disks; it takes milliseconds, not microseconds. See ADR 35.

resource "aws_efs_file_system" "ledgers" {
  creation_token  = local.name
  encrypted       = true
  kms_key_id      = aws_kms_key.this.arn
  throughput_mode = var.throughput_mode
  tags            = merge(local.tags, { Name = local.name })

  lifecycle {
    prevent_destroy = true # the record, and the keys that sign it
  }
}

resource "aws_efs_backup_policy" "ledgers" {
  file_system_id = aws_efs_file_system.ledgers.id

  backup_policy {
    status = "ENABLED"
  }
}

resource "aws_efs_mount_target" "ledgers" {
  for_each        = toset(var.subnet_ids)
  file_system_id  = aws_efs_file_system.ledgers.id
  subnet_id       = each.value
  security_groups = [aws_security_group.among["files"].id]
}

resource "aws_efs_access_point" "machine" {
  for_each       = toset(local.machines)
  file_system_id = aws_efs_file_system.ledgers.id
  tags           = merge(local.tags, { Name = "${local.name}-${each.key}" })

  posix_user {
    uid = local.uid
    gid = local.uid
  }

  root_directory {
    path = "/${each.key}"

    creation_info {
      owner_uid   = local.uid
      owner_gid   = local.uid
      permissions = "0700"
    }
  }
}

data "aws_iam_policy_document" "files" {
  statement {
    sid       = "TheGatewayByItsAccessPoints"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = [aws_efs_file_system.ledgers.arn]

    principals {
      type        = "AWS"
      identifiers = [aws_iam_role.gateway.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = [for each in aws_efs_access_point.machine : each.arn]
    }
  }

  statement {
    sid       = "OnlyByTls"
    effect    = "Deny"
    actions   = ["*"]
    resources = [aws_efs_file_system.ledgers.arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_efs_file_system_policy" "ledgers" {
  file_system_id = aws_efs_file_system.ledgers.id
  policy         = data.aws_iam_policy_document.files.json
}
