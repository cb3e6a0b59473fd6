"""The composition root: settings and a policy in, a gateway ready to serve out."""
