# The module is valid on 5.100 and on every 6.x: it uses what both have, and names no region attribute of either.
terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}
