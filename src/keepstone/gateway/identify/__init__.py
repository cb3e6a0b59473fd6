"""Who calls: tokens of identity providers, signatures, client certificates, sessions of people."""
