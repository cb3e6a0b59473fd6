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
