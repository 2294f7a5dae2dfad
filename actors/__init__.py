"""The engine: the rules of conversations, the order of their events, and their delivery."""
