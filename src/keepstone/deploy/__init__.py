"""Deployment: the Terraform module of the secured Bedrock environment, and what drives it."""
