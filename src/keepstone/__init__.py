"""Keepstone governs, records and proves every generative AI call on Amazon Bedrock."""

__version__ = "0.1.0"
