"""Terraform's resource types as neutral kinds, one file for each subject."""
