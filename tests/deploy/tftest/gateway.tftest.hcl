# What a plan of the gateway's home holds, with the provider's schema and none of its calls.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  environment     = "production"
  vpc_id          = "vpc-0a1b2c3d4e5f60718"
  subnet_ids      = ["subnet-0a1b2c3d4e5f60718", "subnet-0b1b2c3d4e5f60718"]
  client_cidrs    = ["10.30.0.0/16", "10.40.0.0/16"]
  egress_cidrs    = ["10.0.0.0/16"]
  certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-4000-8000-000000000000"
  image           = "123456789012.dkr.ecr.us-east-1.amazonaws.com/keepstone@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  repository_arns = ["arn:aws:ecr:us-east-1:123456789012:repository/keepstone"]
  rates_password  = "0123456789abcdefghijABCDEFGHIJ0123456789"
  gateway_policy  = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[\"bedrock:InvokeModel\"],\"Resource\":[\"*\"]}]}"
  overlays        = { a = "a" }
  secret_names    = ["SEARCH_TOKEN"]

  alert_topic_arns = ["arn:aws:sns:us-east-1:123456789012:production-bedrock-critical"]
}

run "with_the_least_input" {
  command = plan

  assert {
    condition     = jsondecode(aws_ecs_task_definition.machine["a"].container_definitions)[0].readonlyRootFilesystem
    error_message = "the container can write to its image"
  }

  assert {
    condition     = !jsondecode(aws_ecs_task_definition.machine["a"].container_definitions)[0].privileged && jsondecode(aws_ecs_task_definition.machine["a"].container_definitions)[0].user == "10001:10001"
    error_message = "the container has privileges"
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.machine["a"].container_definitions)[0].linuxParameters.capabilities.drop == ["ALL"]
    error_message = "the container keeps capabilities"
  }

  assert {
    condition     = { for each in jsondecode(aws_ecs_task_definition.machine["a"].container_definitions)[0].secrets : each.name => each.valueFrom } == { KEEPSTONE_RATES = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mock-abcdef:rates_url::", PGPASSWORD = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mock-abcdef:database_password::", SEARCH_TOKEN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mock-abcdef:SEARCH_TOKEN::" }
    error_message = "a secret does not come from Secrets Manager"
  }

  assert {
    condition     = !strcontains(aws_ecs_task_definition.machine["a"].container_definitions, nonsensitive(var.rates_password))
    error_message = "a password stands in the task definition"
  }

  assert {
    condition     = { for each in jsondecode(aws_ecs_task_definition.machine["a"].container_definitions)[0].environment : each.name => each.value }.KEEPSTONE_DATABASE == "postgresql://keepstone@database.example:5432/keepstone?sslmode=verify-full&sslrootcert=/etc/keepstone/rds.pem"
    error_message = "the database is reached without verified TLS"
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.machine["a"].container_definitions)[0].stopTimeout >= tonumber({ for each in jsondecode(aws_ecs_task_definition.machine["a"].container_definitions)[0].environment : each.name => each.value }.KEEPSTONE_DRAIN) + 30 + 30
    error_message = "a machine is killed before its calls end and its ledger is closed"
  }

  assert {
    condition     = tonumber({ for each in jsondecode(aws_ecs_task_definition.machine["a"].container_definitions)[0].environment : each.name => each.value }.KEEPSTONE_KEEP_ALIVE) > aws_lb.this.idle_timeout
    error_message = "machines close connections that the load balancer still uses"
  }

  assert {
    condition     = { for each in jsondecode(aws_ecs_task_definition.machine["a"].container_definitions)[0].environment : each.name => each.value }.KEEPSTONE_ENV == "a" && !strcontains(aws_ecs_task_definition.machine["b"].container_definitions, "KEEPSTONE_ENV")
    error_message = "an overlay reaches another machine"
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.machine["a"].container_definitions)[0].healthCheck.command[0] == "CMD"
    error_message = "the health check needs a shell"
  }

  assert {
    condition     = one(aws_ecs_task_definition.machine["a"].volume).efs_volume_configuration[0].transit_encryption == "ENABLED" && one(aws_ecs_task_definition.machine["a"].volume).efs_volume_configuration[0].authorization_config[0].iam == "ENABLED"
    error_message = "the ledger travels in clear, or anybody mounts it"
  }

  assert {
    condition     = aws_efs_file_system.ledgers.encrypted && aws_efs_file_system.ledgers.kms_key_id == aws_kms_key.this.arn
    error_message = "ledgers are not encrypted with the key"
  }

  assert {
    condition     = { for name, each in aws_efs_access_point.machine : name => one(each.root_directory).path } == { a = "/a", b = "/b", c = "/c", d = "/d" }
    error_message = "machines share a folder"
  }

  assert {
    condition     = alltrue([for each in aws_efs_access_point.machine : one(each.posix_user).uid == 10001 && one(one(each.root_directory).creation_info).permissions == "0700"])
    error_message = "others read a ledger"
  }

  assert {
    condition     = one(aws_efs_backup_policy.ledgers.backup_policy).status == "ENABLED"
    error_message = "ledgers are not backed up"
  }

  assert {
    condition     = alltrue([for each in merge(module.first.services, module.second.services, module.busy.services) : each.least == 0 && each.most == 100])
    error_message = "two tasks could write one ledger"
  }

  assert {
    condition     = keys(module.first.services) == ["a"] && keys(module.second.services) == ["b"] && keys(module.busy.services) == ["c", "d"]
    error_message = "a new version does not come in waves"
  }

  assert {
    condition     = alltrue([for each in merge(module.first.services, module.second.services) : each.waits && each.rollback && each.desired == 1])
    error_message = "a wave does not wait for the one before"
  }

  assert {
    condition     = alltrue([for each in aws_ecs_task_definition.machine : each.track_latest])
    error_message = "a task definition that somebody registers is not seen"
  }

  assert {
    condition     = alltrue([for each in merge(module.first.services, module.second.services, module.busy.services) : !each.exec && !each.public])
    error_message = "somebody can get into a machine"
  }

  assert {
    condition     = module.first.services["a"].subnet != module.second.services["b"].subnet
    error_message = "both machines stand in one zone"
  }

  assert {
    condition     = { for name, each in aws_appautoscaling_target.machine : name => "${each.min_capacity}-${each.max_capacity}" } == { c = "0-1", d = "0-1" }
    error_message = "a machine could run twice"
  }

  assert {
    condition     = length(aws_appautoscaling_policy.machine) == 4 && length(aws_cloudwatch_metric_alarm.scaling) == 4
    error_message = "machines do not start and stop by load"
  }

  assert {
    condition     = one([for each in aws_cloudwatch_metric_alarm.scaling["c-wake"].metric_query : each.expression if each.id == "load"]) == "MAX([FILL(requests, 0) / 60000, cpu / 65])" && one([for each in aws_cloudwatch_metric_alarm.scaling["d-wake"].metric_query : each.expression if each.id == "load"]) == "MAX([FILL(requests, 0) / 90000, cpu / 70])"
    error_message = "load is not CPU and requests"
  }

  assert {
    condition     = aws_lb.this.internal && aws_lb.this.load_balancer_type == "application" && aws_lb.this.enable_deletion_protection
    error_message = "the load balancer is public"
  }

  assert {
    condition     = aws_lb.this.drop_invalid_header_fields && aws_lb.this.desync_mitigation_mode == "strictest" && aws_lb.this.preserve_host_header
    error_message = "the load balancer lets crooked requests in, or breaks signatures"
  }

  assert {
    condition     = one(aws_lb.this.access_logs).enabled
    error_message = "calls are not logged"
  }

  assert {
    condition     = aws_lb_listener.https.port == 443 && aws_lb_listener.https.protocol == "HTTPS" && aws_lb_listener.https.ssl_policy == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    error_message = "old TLS is let in"
  }

  assert {
    condition     = aws_lb_target_group.this.protocol == "HTTPS" && aws_lb_target_group.this.protocol_version == "HTTP1" && one(aws_lb_target_group.this.health_check).path == "/health/ready" && one(aws_lb_target_group.this.health_check).protocol == "HTTPS"
    error_message = "calls travel in clear within the VPC"
  }

  assert {
    condition     = one(aws_lb_target_group.this.health_check).interval * one(aws_lb_target_group.this.health_check).unhealthy_threshold + one(aws_lb_target_group.this.health_check).timeout < tonumber({ for each in jsondecode(aws_ecs_task_definition.machine["a"].container_definitions)[0].environment : each.name => each.value }.KEEPSTONE_DRAIN)
    error_message = "a machine refuses before the load balancer has noticed"
  }

  assert {
    condition     = toset([for each in aws_wafv2_web_acl.this[0].rule : each.name]) == toset(["rate", "AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesKnownBadInputsRuleSet", "AWSManagedRulesCommonRuleSet"])
    error_message = "the firewall lacks rules"
  }

  assert {
    condition     = contains(flatten([for each in aws_wafv2_web_acl.this[0].rule : [for over in try(each.statement[0].managed_rule_group_statement[0].rule_action_override, []) : over.name if length(over.action_to_use[0].count) == 1]]), "SizeRestrictions_BODY")
    error_message = "bodies over 8 KB are blocked"
  }

  assert {
    condition     = length([for each in aws_wafv2_web_acl.this[0].rule : each.name if try(length(each.override_action[0].none), 0) == 1]) == 3
    error_message = "managed rules block nothing"
  }

  assert {
    condition     = contains([for each in aws_wafv2_web_acl_logging_configuration.this[0].redacted_fields : one(each.single_header).name], "authorization")
    error_message = "keys reach the firewall's log"
  }

  assert {
    condition     = aws_rds_cluster.this.storage_encrypted && aws_rds_cluster.this.kms_key_id == aws_kms_key.this.arn && aws_rds_cluster.this.deletion_protection && aws_rds_cluster.this.backup_retention_period == 35 && !aws_rds_cluster.this.skip_final_snapshot
    error_message = "the database can be lost or read"
  }

  assert {
    condition     = aws_rds_cluster.this.manage_master_user_password && aws_rds_cluster.this.master_password == null
    error_message = "the state holds the administrator's password"
  }

  assert {
    condition     = contains([for each in aws_rds_cluster_parameter_group.this.parameter : "${each.name}=${each.value}"], "rds.force_ssl=1")
    error_message = "the database takes connections without TLS"
  }

  assert {
    condition     = length(aws_rds_cluster_instance.this) == 2 && alltrue([for each in aws_rds_cluster_instance.this : !each.publicly_accessible])
    error_message = "the database has one zone, or is public"
  }

  assert {
    condition     = aws_elasticache_replication_group.this.engine == "valkey" && aws_elasticache_replication_group.this.transit_encryption_enabled && aws_elasticache_replication_group.this.transit_encryption_mode == "required" && aws_elasticache_replication_group.this.at_rest_encryption_enabled == "true" && aws_elasticache_replication_group.this.kms_key_id == aws_kms_key.this.arn
    error_message = "limits travel or rest in clear"
  }

  assert {
    condition     = aws_elasticache_replication_group.this.multi_az_enabled && aws_elasticache_replication_group.this.automatic_failover_enabled && aws_elasticache_replication_group.this.num_cache_clusters == 2
    error_message = "limits stand in one zone"
  }

  assert {
    condition     = strcontains(aws_elasticache_user.gateway.access_string, "-@all") && !strcontains(aws_elasticache_user.gateway.access_string, "+@all")
    error_message = "the gateway's user may do everything"
  }

  assert {
    condition     = contains([for each in aws_elasticache_parameter_group.this.parameter : "${each.name}=${each.value}"], "maxmemory-policy=noeviction")
    error_message = "limits can be evicted"
  }

  assert {
    condition     = toset([for each in aws_security_group.clients.ingress : "${one(each.cidr_blocks)} ${each.from_port}-${each.to_port}"]) == toset(["10.30.0.0/16 443-443", "10.40.0.0/16 443-443"])
    error_message = "others than the named ranges call"
  }

  assert {
    condition     = { for name, each in aws_security_group.among : name => "${one(each.ingress).from_port}-${one(each.ingress).to_port}" } == { serving = "8443-8443", files = "2049-2049", database = "5432-5432", rates = "6379-6379" }
    error_message = "machines and stores are reached by other ports"
  }

  assert {
    condition     = alltrue([for each in aws_security_group.among : alltrue([for rule in concat(tolist(each.ingress), tolist(each.egress)) : rule.self && length(concat(tolist(rule.cidr_blocks), tolist(rule.ipv6_cidr_blocks), tolist(rule.prefix_list_ids), tolist(rule.security_groups))) == 0])])
    error_message = "ranges, or other groups, reach machines or stores"
  }

  assert {
    condition     = [for each in aws_security_group.services.egress : one(each.cidr_blocks)] == ["10.0.0.0/16"] && length(aws_security_group.services.ingress) == 0
    error_message = "machines reach the whole world, or are reached"
  }

  assert {
    condition     = length(local.worn_by.machines) <= 5
    error_message = "a network interface wears five groups at most"
  }

  assert {
    condition     = alltrue([for each in data.aws_iam_policy_document.secret.statement : each.effect == "Deny" && contains(each.actions, "secretsmanager:GetSecretValue")]) && aws_secretsmanager_secret_policy.gateway.block_public_policy
    error_message = "others than what starts tasks read the secret"
  }

  assert {
    condition     = { for name, each in aws_iam_role_policies_exclusive.this : name => each.policy_names } == { gateway = toset(["gateway"]), start = toset(["start"]) } && alltrue([for each in aws_iam_role_policy_attachments_exclusive.this : length(each.policy_arns) == 0])
    error_message = "a role may do more than stands here"
  }

  assert {
    condition     = aws_rds_cluster.this.engine_version == "16" && alltrue([for each in aws_rds_cluster_instance.this : each.auto_minor_version_upgrade])
    error_message = "the database is not kept up to date, or a plan takes an upgrade back"
  }

  assert {
    condition     = aws_iam_role.gateway.name == "production-bedrock-gateway" && aws_iam_role_policy.gateway.policy == var.gateway_policy
    error_message = "the role is not what `deploy iam-policy gateway` says"
  }

  assert {
    condition     = alltrue([for statement in data.aws_iam_policy_document.start.statement : !contains(statement.resources, "*") || tolist(statement.actions) == tolist(["ecr:GetAuthorizationToken"])])
    error_message = "who starts tasks may do too much"
  }

  assert {
    condition     = alltrue([for each in aws_cloudwatch_log_group.this : each.kms_key_id == aws_kms_key.this.arn && each.retention_in_days == 365])
    error_message = "logs are not encrypted, or kept for ever"
  }

  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "the key is not rotated"
  }

  assert {
    condition     = length(setsubtract(["unhealthy-machines", "no-healthy-machine", "gateway-5xx", "ledger-failures", "cpu-a", "cpu-b"], keys(aws_cloudwatch_metric_alarm.this))) == 0
    error_message = "an alarm is missing"
  }

  assert {
    condition     = alltrue([for each in aws_cloudwatch_metric_alarm.this : contains(each.alarm_actions, var.alert_topic_arns[0])])
    error_message = "nobody hears an alarm"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["no-healthy-machine"].treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.this["no-healthy-machine"].comparison_operator == "LessThanThreshold"
    error_message = "no machine at all is no alarm"
  }
}

run "before_the_secret_has_its_values" {
  command = plan

  variables {
    started = false
  }

  assert {
    condition     = alltrue([for each in merge(module.first.services, module.second.services) : each.desired == 0])
    error_message = "machines start without their secret"
  }

  assert {
    condition     = alltrue([for each in aws_appautoscaling_target.machine : each.max_capacity == 0])
    error_message = "load starts machines without their secret"
  }
}

run "learning_what_the_firewall_would_do" {
  command = plan

  variables {
    waf_count_only = true
  }

  assert {
    condition     = length([for each in aws_wafv2_web_acl.this[0].rule : each.name if try(length(each.override_action[0].count), 0) == 1]) == 3
    error_message = "a managed rule blocks"
  }
}

run "with_a_minor_version_of_the_database" {
  command = plan

  variables {
    database_version = "16.6"
  }

  assert {
    condition     = !anytrue([for each in aws_rds_cluster_instance.this : each.auto_minor_version_upgrade]) && aws_rds_cluster_parameter_group.this.family == "aurora-postgresql16"
    error_message = "RDS upgrades what a plan would take back"
  }
}

run "without_firewall" {
  command = plan

  variables {
    enable_waf = false
  }

  assert {
    condition     = output.web_acl_arn == null && length(aws_wafv2_web_acl_association.this) == 0
    error_message = "there is a firewall"
  }
}

run "with_nothing_but_what_always_runs" {
  command = plan

  variables {
    machines           = ["a", "b", "e"]
    machines_when_busy = []
    repository_arns    = []
  }

  assert {
    condition     = keys(module.first.services) == ["a", "e"] && length(module.busy.services) == 0
    error_message = "a third machine does not go with the first"
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.scaling) == 0
    error_message = "something scales"
  }
}
