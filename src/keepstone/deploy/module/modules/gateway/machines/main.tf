# Machines that are replaced together: each a service of one task, which is stopped before its successor starts, for two must
# never write one ledger. Terraform waits until they serve.

variable "machines" {
  description = "Task definitions by name of the machine."
  type        = map(string)
}

variable "around" {
  description = "Where they run."
  type = object({
    cluster        = string
    prefix         = string
    target_group   = string
    security_group = string
    subnets        = map(string)
    port           = number
    tags           = map(string)
  })
}

variable "running" {
  description = "Whether they start at once. Later on the scaling policies say how many run."
  type        = bool
}

resource "aws_ecs_service" "machine" {
  for_each                           = var.machines
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
    security_groups  = [var.around.security_group]
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

output "services" {
  description = "The services by name of the machine."
  value = {
    for name, each in aws_ecs_service.machine : name => {
      name     = each.name
      desired  = each.desired_count
      least    = each.deployment_minimum_healthy_percent
      most     = each.deployment_maximum_percent
      rollback = each.deployment_circuit_breaker[0].rollback
      waits    = each.wait_for_steady_state
      exec     = each.enable_execute_command
      subnet   = one(each.network_configuration[0].subnets)
      public   = each.network_configuration[0].assign_public_ip
      task     = each.task_definition
    }
  }
}
