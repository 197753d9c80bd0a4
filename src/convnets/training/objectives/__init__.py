"""Objectives: losses on vectors, which draw images of a class together and push the others away."""
