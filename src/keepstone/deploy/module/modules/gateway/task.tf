# What runs: one container a machine, that can write nothing but its ledger and may do nothing on its host.

locals {
  environment_of = {
    for name in local.machines : name => merge(
      {
        KEEPSTONE_DATABASE   = "postgresql://keepstone@${aws_rds_cluster.this.endpoint}:5432/keepstone?sslmode=verify-full&sslrootcert=/etc/keepstone/rds.pem"
        KEEPSTONE_DRAIN      = tostring(var.drain_seconds)
        KEEPSTONE_FIRST_KEY  = "off" # what a task prints is kept in its log
        KEEPSTONE_HOME       = local.home
        KEEPSTONE_HOST       = "0.0.0.0"
        KEEPSTONE_KEEP_ALIVE = tostring(var.longest_silence_seconds + 15) # longer than the load balancer's, or it meets closed doors
        KEEPSTONE_POLICY     = "/etc/keepstone/keepstone.yaml"
        KEEPSTONE_PORT       = tostring(local.port)
        KEEPSTONE_WORKERS    = tostring(var.workers)
      },
      contains(keys(var.overlays), name) ? { KEEPSTONE_ENV = var.overlays[name] } : {},
    )
  }

  container = {
    name                   = "gateway"
    image                  = var.image
    essential              = true
    command                = ["up", "--tls-min", "1.2"] # the load balancer's side of TLS is its own to choose
    user                   = "${local.uid}:${local.uid}"
    privileged             = false
    readonlyRootFilesystem = true
    stopTimeout            = 120
    linuxParameters        = { initProcessEnabled = true, capabilities = { add = [], drop = ["ALL"] } }
    ulimits                = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]
    portMappings           = [{ containerPort = local.port, hostPort = local.port, protocol = "tcp" }]
    mountPoints            = [{ sourceVolume = "ledger", containerPath = local.home, readOnly = false }]
    volumesFrom            = []
    systemControls         = []
    secrets                = [for name in sort(keys(local.secret_keys)) : { name = name, valueFrom = "${aws_secretsmanager_secret.gateway.arn}:${local.secret_keys[name]}::" }]
    healthCheck            = { command = ["CMD", "/opt/keepstone/bin/python", "/opt/keepstone/health.py"], interval = 15, timeout = 5, retries = 4, startPeriod = 120 }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = local.log_groups.gateway
        awslogs-region        = local.region
        awslogs-stream-prefix = "machine"
        mode                  = "non-blocking" # a log that is not taken stops no call: the record is the ledger
        max-buffer-size       = "25m"
      }
    }
  }
}

resource "aws_ecs_task_definition" "machine" {
  for_each                 = toset(local.machines)
  family                   = "${local.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  task_role_arn            = aws_iam_role.gateway.arn
  execution_role_arn       = aws_iam_role.start.arn
  track_latest             = true # a revision that somebody else registers is a difference
  container_definitions    = jsonencode([merge(local.container, { environment = [for name, value in local.environment_of[each.key] : { name = name, value = value }] })])
  tags                     = local.tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  volume {
    name = "ledger"

    efs_volume_configuration {
      file_system_id     = aws_efs_file_system.ledgers.id
      transit_encryption = "ENABLED"

      authorization_config {
        access_point_id = aws_efs_access_point.machine[each.key].id
        iam             = "ENABLED"
      }
    }
  }

  lifecycle {
    precondition {
      condition     = length(setintersection(var.machines, var.machines_when_busy)) == 0
      error_message = "A name stands in `machines` and in `machines_when_busy`: two machines would want one ledger."
    }

    precondition {
      condition     = var.cpu <= 1024 || (var.memory >= 2 * var.cpu && var.memory <= 8 * var.cpu)
      error_message = "`memory` (${var.memory}) does not go with `cpu` (${var.cpu}) on Fargate: expected ${2 * var.cpu} to ${8 * var.cpu} MiB."
    }

    precondition {
      condition     = length(setsubtract(keys(var.overlays), local.machines)) == 0
      error_message = "`overlays` names a machine that there is not: expected ${join(", ", local.machines)}."
    }
  }
}
