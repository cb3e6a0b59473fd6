"""InvokeModel's model families, one file each: where their bodies hold text, usage and limits. Pure."""
