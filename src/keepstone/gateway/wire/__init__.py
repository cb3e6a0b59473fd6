"""Bedrock Runtime's wire: event streams, errors, routes, and where the text lies in every document. Pure."""
