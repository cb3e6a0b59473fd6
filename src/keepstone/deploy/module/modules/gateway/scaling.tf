# Further machines start one after the other and stop in reverse. Load is the larger of two shares: of CPU, and of requests.
# Target tracking would make tasks that share one service, and so one ledger; here each machine is a service of none or one.

locals {
  busy     = { for number, name in var.machines_when_busy : name => length(var.machines) + number } # how many run before it
  services = merge(module.first.services, module.second.services, module.busy.services)
  bounds   = { wake = { operator = "GreaterThanOrEqualToThreshold", threshold = 1, periods = 3, to = 1 }, rest = { operator = "LessThanThreshold", threshold = 0.6, periods = 15, to = 0 } }
  steps    = { for each in setproduct(keys(local.busy), keys(local.bounds)) : "${each[0]}-${each[1]}" => merge(local.bounds[each[1]], { machine = each[0], before = local.busy[each[0]], wakes = each[1] == "wake" }) }
}

resource "aws_appautoscaling_target" "machine" {
  for_each           = local.busy
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${local.services[each.key].name}"
  min_capacity       = 0
  max_capacity       = var.started ? 1 : 0
  tags               = local.tags

  suspended_state {
    dynamic_scaling_in_suspended  = false
    dynamic_scaling_out_suspended = false
    scheduled_scaling_suspended   = false
  }
}

resource "aws_appautoscaling_policy" "machine" {
  for_each           = local.steps
  name               = "${local.name}-${each.key}"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.machine[each.value.machine].service_namespace
  scalable_dimension = aws_appautoscaling_target.machine[each.value.machine].scalable_dimension
  resource_id        = aws_appautoscaling_target.machine[each.value.machine].resource_id

  step_scaling_policy_configuration {
    adjustment_type         = "ExactCapacity"
    cooldown                = 300
    metric_aggregation_type = "Average"

    step_adjustment {
      scaling_adjustment          = each.value.to
      metric_interval_lower_bound = each.value.wakes ? 0 : null
      metric_interval_upper_bound = each.value.wakes ? null : 0
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "scaling" {
  for_each            = local.steps
  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = "Machine ${each.value.machine} ${each.value.wakes ? "starts" : "stops"}: load as a share of what ${each.value.before} machines should carry"
  comparison_operator = each.value.operator
  threshold           = each.value.threshold
  evaluation_periods  = each.value.periods
  treat_missing_data  = "ignore" # what is not known changes nothing
  alarm_actions       = [aws_appautoscaling_policy.machine[each.key].arn]
  tags                = local.tags

  metric_query {
    id          = "load"
    label       = "load"
    expression  = "MAX([FILL(requests, 0) / ${var.busy_requests_per_minute * each.value.before}, cpu / ${var.busy_cpu_percent + 5 * (each.value.before - length(var.machines))}])"
    return_data = true
  }

  metric_query {
    id         = "cpu"
    expression = "AVG([${join(", ", [for number, name in var.machines : "cpu${number}"])}])"
  }

  metric_query {
    id = "requests"

    metric {
      namespace   = "AWS/ApplicationELB"
      metric_name = "RequestCount"
      stat        = "Sum"
      period      = 60
      dimensions  = { LoadBalancer = aws_lb.this.arn_suffix, TargetGroup = aws_lb_target_group.this.arn_suffix }
    }
  }

  dynamic "metric_query" {
    for_each = var.machines

    content {
      id = "cpu${metric_query.key}"

      metric {
        namespace   = "AWS/ECS"
        metric_name = "CPUUtilization"
        stat        = "Average"
        period      = 60
        dimensions  = { ClusterName = aws_ecs_cluster.this.name, ServiceName = local.services[metric_query.value].name }
      }
    }
  }
}
