"""Parameters by name: listed, found by pattern, frozen, shared, replaced; and slices of a network.

Begin with `listing.py`.
"""
