"""Floor 8: a trained model put to use on pictures."""
