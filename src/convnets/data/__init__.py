"""Floor 2: from sources to ImageSet, and from ImageSet to batches."""
