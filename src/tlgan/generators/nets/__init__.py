"""Generator networks, and how each is filled from a checkpoint."""
