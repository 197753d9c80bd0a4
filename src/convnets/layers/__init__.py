"""Floor 1: operations written out to be read, and the initialisers of weights."""
