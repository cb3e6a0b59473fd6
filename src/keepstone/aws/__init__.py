"""Every byte that leaves for AWS; the only room that speaks botocore."""
