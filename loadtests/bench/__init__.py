"""`salon bench`: measures every figure that the README states."""
