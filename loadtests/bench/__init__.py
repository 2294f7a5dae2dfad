"""`salon bench`: every figure that the README states, measured again."""
