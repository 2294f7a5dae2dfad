"""The memory: stores that implement what the engine needs."""
