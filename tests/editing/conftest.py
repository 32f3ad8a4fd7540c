"""Makes `algebra` importable."""
