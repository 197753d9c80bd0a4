"""Floor 7, beside the recipes: our training and evaluation against the plain loops, side by side on one machine."""
