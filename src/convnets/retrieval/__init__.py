"""Retrieval: images as vectors, and the images that are near."""
