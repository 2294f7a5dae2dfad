"""Commands of `salon` that have a module of their own; `salon.web.cli` loads each when it is called."""
