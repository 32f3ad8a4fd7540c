"""Files in and out: downloads, the cache, and writing that is whole or not at all."""
