"""The hot path: app, pipeline, stages, wire codecs, upstreams, streaming."""
