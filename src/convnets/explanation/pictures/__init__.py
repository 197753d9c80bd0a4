"""Pictures: tiles, colours and the files that figures are written to."""
