"""How long tests wait for what has to come: a bound for a machine that has other work, no measure of anything."""

PATIENCE = 60.0  # seconds for anything at all to happen
