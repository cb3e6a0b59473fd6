# What was understood otherwise than it was written, told at every plan. `keepstone deploy` says the same, sooner.

check "cidrs_are_as_written" {
  assert {
    condition     = length(local.with_host_bits) == 0
    error_message = "A range has host bits: ${join(", ", local.with_host_bits)}. If a smaller range was meant, such as `10.20.0.0/16` for `10.20.0.0/8`, write that one."
  }
}

check "segments_are_apart" {
  assert {
    condition     = alltrue([for cidr in local.management_cidrs : tonumber(split("/", cidr)[1]) >= 16])
    error_message = "A range of `management_allowed_cidrs` is wider than /16: control plane and runtime are hardly apart."
  }
}

check "prompt_attacks_have_no_output" {
  assert {
    condition     = var.content_filters.prompt_attack.output_strength == "NONE"
    error_message = "`content_filters.prompt_attack.output_strength` is `${var.content_filters.prompt_attack.output_strength}`: Bedrock takes `NONE` only, and that is what is set."
  }
}

check "subnets_look_like_aws" {
  assert {
    condition     = alltrue([for id in var.subnet_ids : startswith(id, "subnet-")])
    error_message = "An entry of `subnet_ids` does not begin with `subnet-`; `snet-` is how Azure names subnets."
  }
}

check "log_prefix_has_no_slash_at_an_end" {
  assert {
    condition     = var.s3_log_prefix == local.log_prefix
    error_message = "`s3_log_prefix` is used as `${local.log_prefix}`: Bedrock adds the slash itself."
  }
}

check "profiles_name_their_regions" {
  assert {
    condition     = length(local.models_elsewhere) == 0
    error_message = "`foundation_models` names models outside of `allowed_model_regions`, which stay out of reach: ${join(", ", local.models_elsewhere)}."
  }
}

check "knowledge_base_latency_has_a_source" {
  assert {
    condition     = !var.enable_knowledge_base_monitoring || var.knowledge_base_latency_metric != null
    error_message = "There is no alarm on `kb_latency_threshold_ms`: Bedrock publishes no latency of knowledge bases. Send one from your application and name it in `knowledge_base_latency_metric`."
  }
}

check "invocations_are_logged_somewhere" {
  assert {
    condition     = !var.enable_model_invocation_logging || var.enable_cloudwatch_logging || var.enable_s3_logging
    error_message = "`enable_model_invocation_logging` is on and both destinations are off: nothing is logged."
  }
}

check "somebody_is_told" {
  assert {
    condition     = !var.enable_alerting || length(var.critical_alert_subscriptions) > 0
    error_message = "Nobody is subscribed to critical alerts: alarms go off and nobody hears them. Set `critical_alert_subscriptions`."
  }
}
