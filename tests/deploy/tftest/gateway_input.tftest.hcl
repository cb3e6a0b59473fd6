# Input that is wrong, each refused in the module's own words. A run takes several seconds, so one holds many variables;
# it fails as soon as a single one of them is let through.

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

run "refused_at_once" {
  command = plan

  variables {
    environment              = "production-in-the-north"    # long environment
    vpc_id                   = "10.0.0.0/16"                # no vpc
    subnet_ids               = ["subnet-0a1b2c3d4e5f60718"] # one subnet
    client_cidrs             = ["0.0.0.0/0"]                # everybody calls
    egress_cidrs             = ["the VPC"]                  # no range
    egress_prefix_list_ids   = ["vpce-0a1b2c3d"]            # no prefix list
    certificate_arn          = "gateway.example.com"        # no certificate
    tags                     = { "aws:name" = "x" }         # a tag of aws
    kms_deletion_window_days = 1                            # a key gone at once
    image                    = "keepstone:latest"           # a tag that moves
    repository_arns          = ["keepstone"]                # no repository
    gateway_policy           = "AmazonBedrockFullAccess"    # no policy document
    machines                 = ["a"]                        # one machine
    machines_when_busy       = ["the-third-machine"]        # a long name
    cpu                      = 700                          # half a core and a bit
    memory                   = 128                          # no memory
    architecture             = "RISCV"                      # another processor
    workers                  = 0                            # no workers
    overlays                 = { a = "../b" }               # a path as overlay
    secret_names             = ["KEEPSTONE_HOME"]           # our own variable
    drain_seconds            = 0                            # no drain
    tls_policy               = "ELBSecurityPolicy-2016-08"  # old tls
    longest_silence_seconds  = 10                           # cut off answers
    deregistration_seconds   = 7200                         # endless deregistration
    access_log_days          = 0                            # no access logs
    waf_rate_limit           = 1                            # no rate
    database_version         = "12.4"                       # an old database
    database_capacity        = { least = 0, most = 2 }      # a database that pauses
    database_backup_days     = 1                            # a day of backups
    rates_node_type          = "t4g.small"                  # no node
    rates_password           = "secret"                     # a short password
    throughput_mode          = "provisioned"                # paid throughput
    log_retention_days       = 91                           # a strange retention
    alert_topic_arns         = ["ops@example.com"]          # no topic
    busy_cpu_percent         = 100                          # never busy
    busy_requests_per_minute = 0                            # always busy
    server_error_threshold   = 0                            # alarm without errors
  }

  expect_failures = [
    var.environment,
    var.vpc_id,
    var.subnet_ids,
    var.client_cidrs,
    var.egress_cidrs,
    var.egress_prefix_list_ids,
    var.certificate_arn,
    var.tags,
    var.kms_deletion_window_days,
    var.image,
    var.repository_arns,
    var.gateway_policy,
    var.machines,
    var.machines_when_busy,
    var.cpu,
    var.memory,
    var.architecture,
    var.workers,
    var.overlays,
    var.secret_names,
    var.drain_seconds,
    var.tls_policy,
    var.longest_silence_seconds,
    var.deregistration_seconds,
    var.access_log_days,
    var.waf_rate_limit,
    var.database_version,
    var.database_capacity,
    var.database_backup_days,
    var.rates_node_type,
    var.rates_password,
    var.throughput_mode,
    var.log_retention_days,
    var.alert_topic_arns,
    var.busy_cpu_percent,
    var.busy_requests_per_minute,
    var.server_error_threshold,
  ]
}

run "refused_twice" {
  command = plan

  variables {
    environment    = "production-"                                                                          # environment that ends with a hyphen
    subnet_ids     = ["subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60718"]                               # a subnet twice
    client_cidrs   = []                                                                                     # nobody calls
    gateway_policy = "{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"bedrock:*\",\"Resource\":\"*\"}]}" # everything allowed
    machines       = ["a", "a"]                                                                             # a machine twice
    drain_seconds  = 110                                                                                    # a drain past the kill
  }

  expect_failures = [
    var.environment,
    var.subnet_ids,
    var.client_cidrs,
    var.gateway_policy,
    var.machines,
    var.drain_seconds,
  ]
}

run "refused_a_machine_for_two_purposes" {
  command = plan

  variables {
    machines_when_busy = ["b"]
  }

  expect_failures = [aws_ecs_task_definition.machine]
}

run "refused_memory_for_another_size" {
  command = plan

  variables {
    memory = 512
  }

  expect_failures = [aws_ecs_task_definition.machine]
}

run "refused_an_overlay_of_no_machine" {
  command = plan

  variables {
    overlays = { z = "z" }
  }

  expect_failures = [aws_ecs_task_definition.machine]
}
