"""Who hears the events of a run: the terminal, a notebook, files."""
