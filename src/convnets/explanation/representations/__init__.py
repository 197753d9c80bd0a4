"""Representations: how a network lays images out, which layers agree, and where the classes meet."""
