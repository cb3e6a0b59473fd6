# Machines that are replaced together: each a service of one task, which is stopped before its successor starts, for two must
# never write one ledger. Terraform waits until they serve.

variable "machines" {
  description = "Task definitions by name of the machine."
  type        = map(string)
}

variable "around" {
  description = "Where they run."
  type = object({
    cluster         = string
    prefix          = string
    target_group    = string
    security_groups = list(string)
    subnets         = map(string)
    port            = number
    tags            = map(string)
  })
}

variable "running" {
  description = "Whether they run."
  type        = bool
}

variable "by_load" {
  description = "Whether scaling policies say later on which of them run. Else a machine that somebody stopped is a difference."
  type        = bool
  default     = false
}

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

output "services" {
  description = "The services by name of the machine."
  value = {
    for name, each in merge(aws_ecs_service.machine, aws_ecs_service.by_load) : name => {
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
