"""The real command, driven from outside by unmodified clients."""
