# One internal load balancer: TLS to it and TLS from it, answers that stream, a firewall before it, its calls logged.

resource "aws_lb" "this" {
  name                       = local.name
  load_balancer_type         = "application"
  internal                   = true
  subnets                    = var.subnet_ids
  security_groups            = local.worn_by.balancer
  idle_timeout               = var.longest_silence_seconds
  enable_deletion_protection = var.deletion_protection
  drop_invalid_header_fields = true
  preserve_host_header       = true # SigV4 signs it
  desync_mitigation_mode     = "strictest"
  enable_http2               = true
  tags                       = local.tags

  access_logs {
    bucket  = aws_s3_bucket.access_logs.id
    enabled = true
  }

  depends_on = [aws_s3_bucket_policy.access_logs]
}

# Machines make certificates of their own, which a load balancer does not verify: the security group says who answers.
resource "aws_lb_target_group" "this" {
  name                          = local.name
  vpc_id                        = var.vpc_id
  target_type                   = "ip"
  port                          = local.port
  protocol                      = "HTTPS"
  protocol_version              = "HTTP1"
  load_balancing_algorithm_type = "least_outstanding_requests"
  deregistration_delay          = var.deregistration_seconds
  tags                          = local.tags

  health_check {
    path                = "/health/ready"
    protocol            = "HTTPS"
    matcher             = "200"
    interval            = 5
    timeout             = 3
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = var.tls_policy
  certificate_arn   = var.certificate_arn
  tags              = local.tags

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}

# Metrics name models and reasons, but no caller; still they are for the monitoring, which asks the machines themselves.
resource "aws_lb_listener_rule" "no_metrics" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 1
  tags         = local.tags

  action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      status_code  = "404"
    }
  }

  condition {
    path_pattern {
      values = ["/metrics"]
    }
  }
}
