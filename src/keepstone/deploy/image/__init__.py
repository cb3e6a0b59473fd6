"""The image: its recipe, and what runs while it is built or asked for its health."""
