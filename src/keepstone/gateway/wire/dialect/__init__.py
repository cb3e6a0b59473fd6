"""Other protocols than Bedrock's own, each translated into Converse or InvokeModel at the edge."""
