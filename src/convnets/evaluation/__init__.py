"""Floor 4: how good a network is — metrics as pure functions, `evaluate`, plots and the report."""
