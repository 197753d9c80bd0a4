"""Pictures: tiles, colors and the files that figures are written to."""
