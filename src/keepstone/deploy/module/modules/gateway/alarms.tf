# What a person has to look at. Every metric is one that AWS emits, or counted from the gateway's own log.

locals {
  balancer = { LoadBalancer = aws_lb.this.arn_suffix }
  targets  = merge(local.balancer, { TargetGroup = aws_lb_target_group.this.arn_suffix })
  node     = { CacheClusterId = "${local.name}-001" }
  cluster  = { DBClusterIdentifier = aws_rds_cluster.this.cluster_identifier }
  own      = "Keepstone/${local.name}"

  alarms = merge(
    {
      unhealthy-machines  = { space = "AWS/ApplicationELB", metric = "UnHealthyHostCount", of = local.targets, stat = "Maximum", above = 0, missing = "notBreaching", what = "Machines that are not ready" }
      no-healthy-machine  = { space = "AWS/ApplicationELB", metric = "HealthyHostCount", of = local.targets, stat = "Maximum", below = 1, missing = "breaching", what = "No machine serves" }
      gateway-5xx         = { space = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", of = local.targets, stat = "Sum", above = var.server_error_threshold, missing = "notBreaching", what = "Calls that the gateway could not serve, such as 503 when it cannot record" }
      balancer-5xx        = { space = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count", of = local.balancer, stat = "Sum", above = var.server_error_threshold, missing = "notBreaching", what = "Calls that reached no machine, or whose answer was cut off" }
      tls-to-machines     = { space = "AWS/ApplicationELB", metric = "TargetTLSNegotiationErrorCount", of = local.balancer, stat = "Sum", above = 0, missing = "notBreaching", what = "TLS between load balancer and machines fails" }
      ledger-failures     = { space = local.own, metric = "LedgerFailures", of = {}, stat = "Sum", above = 0, missing = "notBreaching", what = "A record could not be written or reported, or the copy in S3 is behind" }
      gateway-errors      = { space = local.own, metric = "Errors", of = {}, stat = "Sum", above = 0, missing = "notBreaching", what = "Errors in the gateway's log" }
      database-cpu        = { space = "AWS/RDS", metric = "CPUUtilization", of = local.cluster, stat = "Average", above = 80, missing = "notBreaching", what = "PostgreSQL is busy" }
      limits-memory       = { space = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage", of = local.node, stat = "Maximum", above = 80, missing = "notBreaching", what = "Valkey fills, and evicts nothing" }
      ledger-files-budget = { space = "AWS/EFS", metric = "PercentIOLimit", of = { FileSystemId = aws_efs_file_system.ledgers.id }, stat = "Maximum", above = 90, missing = "notBreaching", what = "The file system of the ledgers is at its limit" }
    },
    { for name in var.machines : "cpu-${name}" => { space = "AWS/ECS", metric = "CPUUtilization", of = { ClusterName = aws_ecs_cluster.this.name, ServiceName = "${local.name}-${name}" }, stat = "Average", above = 90, missing = "breaching", what = "Machine ${name} is at its limit, or tells nothing" } },
  )

  # The gateway logs JSON. Its loggers of the record: keepstone.ledger.*, and those of copy, anchors and the roll call.
  counted = {
    LedgerFailures = "{ ($.level = \"error\") && (($.logger = \"keepstone.ledger*\") || ($.logger = \"keepstone.copy\") || ($.logger = \"keepstone.anchor\") || ($.logger = \"keepstone.machines\") || ($.message = \"*ledger*\")) }"
    Errors         = "{ $.level = \"error\" }"
  }
}

resource "aws_cloudwatch_log_metric_filter" "this" {
  for_each       = local.counted
  name           = "${local.name}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.this["gateway"].name
  pattern        = each.value

  metric_transformation {
    namespace = local.own
    name      = each.key
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = each.value.what
  namespace           = each.value.space
  metric_name         = each.value.metric
  dimensions          = each.value.of
  statistic           = each.value.stat
  comparison_operator = can(each.value.below) ? "LessThanThreshold" : "GreaterThanThreshold"
  threshold           = try(each.value.below, each.value.above)
  period              = each.value.space == local.own || each.value.stat != "Sum" ? 60 : 300
  evaluation_periods  = each.value.stat == "Sum" ? 1 : 3
  treat_missing_data  = each.value.missing
  alarm_actions       = var.alert_topic_arns
  ok_actions          = var.alert_topic_arns
  tags                = local.tags
}
