"""What of a ledger lies elsewhere: a locked copy, anchored checkpoints, witnesses."""
