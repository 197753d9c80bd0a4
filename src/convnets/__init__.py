"""convnets."""
