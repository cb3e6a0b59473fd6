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
