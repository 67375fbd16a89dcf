"""Working on batches: taking them, holding them by a lease, journaling, settling. For all capabilities."""
