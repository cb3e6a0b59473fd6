"""The pure parts of the benchmark: judging, drawing, laying out."""
