"""The engine: who may say what, in which order, to whom."""
