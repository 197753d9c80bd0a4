"""Looking into networks: cost, receptive fields, graph and drawing, health, parameters.

Begin with `cost/summary.py`.

Order, highest first; each imports only from below:

- cost
- receptive_field
- drawing
- graph · health · parameters
- running · formatting
"""
