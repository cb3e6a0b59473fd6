# The cluster, and its machines in three waves: a new version reaches the next one only when the last one serves.

resource "aws_ecs_cluster" "this" {
  name = local.name
  tags = local.tags

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

locals {
  subnets = { for number, name in local.machines : name => element(var.subnet_ids, number) } # neighbours in other zones
  waves = {
    first  = { for number, name in var.machines : name => aws_ecs_task_definition.machine[name].arn if number % 2 == 0 }
    second = { for number, name in var.machines : name => aws_ecs_task_definition.machine[name].arn if number % 2 == 1 }
    busy   = { for name in var.machines_when_busy : name => aws_ecs_task_definition.machine[name].arn }
  }
  around = {
    cluster        = aws_ecs_cluster.this.arn
    prefix         = local.name
    target_group   = aws_lb_target_group.this.arn
    security_group = aws_security_group.this["machines"].id
    subnets        = local.subnets
    port           = local.port
    tags           = local.tags
  }
}

module "first" {
  source   = "./machines"
  machines = local.waves.first
  around   = local.around
  running  = var.started

  depends_on = [aws_lb_listener.https, aws_efs_mount_target.ledgers, aws_efs_file_system_policy.ledgers, aws_iam_role_policy.start, aws_iam_role_policy.gateway, aws_rds_cluster_instance.this]
}

module "second" {
  source   = "./machines"
  machines = local.waves.second
  around   = local.around
  running  = var.started

  depends_on = [module.first]
}

module "busy" {
  source   = "./machines"
  machines = local.waves.busy
  around   = local.around
  running  = false # until there is load

  depends_on = [module.second]
}
