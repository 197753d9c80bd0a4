"""What each view of the studio asks for: a file of routes for each.

Begin with `network.py`.
"""
