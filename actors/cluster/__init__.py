"""Several nodes: who is in, which node owns which conversation, and what they tell each other."""
