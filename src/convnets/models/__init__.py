"""Floor 2: the networks, one architecture per file, and the catalogue that builds them by name."""
