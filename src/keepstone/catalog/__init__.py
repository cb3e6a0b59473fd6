"""What is published by others and dated: data with its source, and the loaders that read it."""
