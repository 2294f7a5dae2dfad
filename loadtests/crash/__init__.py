"""`salon crash`: servers that are killed under load, over a bad network."""
