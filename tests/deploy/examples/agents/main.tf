# What a user may have: agents, a knowledge base, a customisation job. Of each one that is sound and one that is bare.

data "aws_caller_identity" "this" {}

resource "aws_kms_key" "ai" {
  enable_key_rotation = true
}

module "role" {
  source  = "./role"
  account = data.aws_caller_identity.this.account_id
}

resource "aws_bedrock_guardrail" "empty" {
  name                      = "empty"
  description               = "Looks for nothing"
  blocked_input_messaging   = "no"
  blocked_outputs_messaging = "no"
  kms_key_arn               = aws_kms_key.ai.arn
}

resource "aws_bedrock_guardrail_version" "one" {
  guardrail_arn = aws_bedrock_guardrail.empty.guardrail_arn
}

resource "aws_bedrockagent_agent" "sound" {
  agent_name                  = "sound"
  agent_resource_role_arn     = module.role.arn
  foundation_model            = "anthropic.claude-3-5-sonnet-20240620-v1:0"
  idle_session_ttl_in_seconds = 600
  customer_encryption_key_arn = aws_kms_key.ai.arn

  guardrail_configuration {
    guardrail_identifier = aws_bedrock_guardrail.empty.guardrail_id
    guardrail_version    = aws_bedrock_guardrail_version.one.version
  }
}

resource "aws_bedrockagent_agent" "bare" {
  agent_name              = "bare"
  agent_resource_role_arn = "arn:aws:iam::123456789012:role/elsewhere"
  foundation_model        = "anthropic.claude-3-5-sonnet-20240620-v1:0"
}

resource "aws_bedrockagent_agent_action_group" "code" {
  agent_id                      = aws_bedrockagent_agent.bare.agent_id
  agent_version                 = "DRAFT"
  action_group_name             = "code"
  parent_action_group_signature = "AMAZON.CodeInterpreter"
  action_group_state            = "ENABLED"
}

resource "aws_bedrockagent_knowledge_base" "docs" {
  name     = "docs"
  role_arn = module.role.arn

  knowledge_base_configuration {
    type = "VECTOR"

    vector_knowledge_base_configuration {
      embedding_model_arn = "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-text-v1"
    }
  }

  storage_configuration {
    type = "OPENSEARCH_SERVERLESS"

    opensearch_serverless_configuration {
      collection_arn    = "arn:aws:aoss:us-east-1:123456789012:collection/docs"
      vector_index_name = "docs"

      field_mapping {
        vector_field   = "vector"
        text_field     = "text"
        metadata_field = "metadata"
      }
    }
  }
}

resource "aws_opensearchserverless_security_policy" "encryption" {
  name   = "encryption"
  type   = "encryption"
  policy = jsonencode({ Rules = [{ ResourceType = "collection", Resource = ["collection/docs"] }], AWSOwnedKey = true })
}

resource "aws_opensearchserverless_security_policy" "network" {
  name   = "network"
  type   = "network"
  policy = jsonencode([{ Rules = [{ ResourceType = "collection", Resource = ["collection/docs"] }], AllowFromPublic = true }])
}

resource "aws_bedrockagent_data_source" "bare" {
  knowledge_base_id = aws_bedrockagent_knowledge_base.docs.id
  name              = "bare"

  data_source_configuration {
    type = "S3"

    s3_configuration {
      bucket_arn = "arn:aws:s3:::bare"
    }
  }
}

resource "aws_bedrockagent_data_source" "sound" {
  knowledge_base_id    = aws_bedrockagent_knowledge_base.docs.id
  name                 = "sound"
  data_deletion_policy = "RETAIN"

  data_source_configuration {
    type = "S3"

    s3_configuration {
      bucket_arn              = "arn:aws:s3:::sound"
      bucket_owner_account_id = data.aws_caller_identity.this.account_id
    }
  }

  server_side_encryption_configuration {
    kms_key_arn = aws_kms_key.ai.arn
  }
}

resource "aws_bedrock_custom_model" "bare" {
  base_model_identifier = "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-text-express-v1"
  custom_model_name     = "bare"
  job_name              = "bare"
  role_arn              = module.role.arn
  hyperparameters       = { epochCount = "1" }

  output_data_config {
    s3_uri = "s3://models/out/"
  }

  training_data_config {
    s3_uri = "s3://models/train.jsonl"
  }
}

resource "aws_security_group" "job" {
  name   = "job"
  vpc_id = "vpc-0a1b2c3d4e5f60718"
}

resource "aws_bedrock_custom_model" "sound" {
  base_model_identifier   = "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-text-express-v1"
  custom_model_name       = "sound"
  custom_model_kms_key_id = aws_kms_key.ai.arn
  job_name                = "sound"
  role_arn                = module.role.arn
  hyperparameters         = { epochCount = "1" }

  output_data_config {
    s3_uri = "s3://models/out/"
  }

  training_data_config {
    s3_uri = "s3://models/train.jsonl"
  }

  vpc_config {
    subnet_ids         = ["subnet-0a1b2c3d4e5f60718"]
    security_group_ids = [aws_security_group.job.id]
  }
}

resource "aws_iam_role" "wide" {
  name = "wide"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "bedrock.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "wide" {
  role   = aws_iam_role.wide.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "bedrock:*", Resource = "*" }] })
}

resource "aws_iam_role_policy_attachment" "full" {
  role       = aws_iam_role.wide.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonBedrockFullAccess"
}

resource "aws_iam_service_specific_credential" "key" {
  user_name    = "somebody"
  service_name = "bedrock.amazonaws.com"
}

resource "aws_lambda_permission" "open" {
  statement_id  = "bedrock"
  action        = "lambda:InvokeFunction"
  function_name = "tool"
  principal     = "bedrock.amazonaws.com"
}
