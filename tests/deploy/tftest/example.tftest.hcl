mock_provider "aws" {
  source = "./tests/mocks"
}

run "as_in_the_source" {
  command = plan

  assert {
    condition     = module.bedrock_solution.resource_prefix == "production-bedrock"
    error_message = "names begin with the environment"
  }

  assert {
    condition     = module.bedrock_solution.encryption_in_transit_enabled
    error_message = "TLS only"
  }
}
