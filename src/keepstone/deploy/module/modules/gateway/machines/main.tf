# Machines that are replaced together: each a service of one task, which is stopped before its successor starts, for two must
# never write one ledger. Terraform waits until they serve.

resource "aws_ecs_service" "machine" {
  for_each                           = var.by_load ? {} : var.machines
  name                               = "${var.around.prefix}-${each.key}"
  cluster                            = var.around.cluster
  task_definition                    = each.value
  desired_count                      = var.running ? 1 : 0
  launch_type                        = "FARGATE"
  platform_version                   = "LATEST"
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100
  health_check_grace_period_seconds  = 300 # a long ledger is checked at its start
  enable_execute_command             = false
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  wait_for_steady_state              = true
  tags                               = var.around.tags

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = [var.around.subnets[each.key]]
    security_groups  = var.around.security_groups
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = var.around.target_group
    container_name   = "gateway"
    container_port   = var.around.port
  }
}

# The same, but for who says how many run: Terraform cannot ignore a change by a variable.
resource "aws_ecs_service" "by_load" {
  for_each                           = var.by_load ? var.machines : {}
  name                               = "${var.around.prefix}-${each.key}"
  cluster                            = var.around.cluster
  task_definition                    = each.value
  desired_count                      = var.running ? 1 : 0
  launch_type                        = "FARGATE"
  platform_version                   = "LATEST"
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100
  health_check_grace_period_seconds  = 300 # a long ledger is checked at its start
  enable_execute_command             = false
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  wait_for_steady_state              = true
  tags                               = var.around.tags

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = [var.around.subnets[each.key]]
    security_groups  = var.around.security_groups
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = var.around.target_group
    container_name   = "gateway"
    container_port   = var.around.port
  }

  lifecycle {
    ignore_changes = [desired_count]
  }
}
