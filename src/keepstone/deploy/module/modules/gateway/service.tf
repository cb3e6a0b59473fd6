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
    cluster         = aws_ecs_cluster.this.arn
    prefix          = local.name
    target_group    = aws_lb_target_group.this.arn
    security_groups = local.worn_by.machines
    subnets         = local.subnets
    port            = local.port
    tags            = local.tags
  }
}

module "first" {
  source   = "./machines"
  machines = local.waves.first
  around   = local.around
  running  = var.started

  # What a machine needs to serve, and what has to stand before it before it does.
  depends_on = [
    aws_efs_file_system_policy.ledgers,
    aws_efs_mount_target.ledgers,
    aws_elasticache_replication_group.this,
    aws_iam_role_policy.gateway,
    aws_iam_role_policy.start,
    aws_lb_listener_rule.no_metrics,
    aws_rds_cluster_instance.this,
    aws_secretsmanager_secret_policy.gateway,
    aws_wafv2_web_acl_association.this,
  ]
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
  by_load  = true

  depends_on = [module.second]
}
