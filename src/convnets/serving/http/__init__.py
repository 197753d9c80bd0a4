"""Models answered over HTTP: requests in, batches through the network, answers out.

Begin with `app.py`, then `batcher.py`.
"""
