"""Explanation: what a network looks at, what its parts do, and whether to believe it."""
