"""AWS's control plane on 127.0.0.1: moto, and beside it what moto lacks; see `server.py`."""
