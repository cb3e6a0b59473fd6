"""The one document: schema, loading, compilation, admission. Pure."""
