"""Belief: whether a map says something about what a network does, or merely looks as if."""
