"""Floor 9: the command line, a thin translation: one call into the library per command."""
