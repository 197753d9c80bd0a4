"""Floor 0: shape arithmetic, the device chosen once, seeds, and files that are written whole or not at all."""
