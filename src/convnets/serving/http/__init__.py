"""Models answered over HTTP: requests in, batches through the network, answers out.

Begin with `app.py`, then `batcher.py`.

Order, highest first; each imports only from below:

- server
- app
- inference_protocol · routes
- service
- batcher · served_model
- pictures · rows
- tensors
- client · error_answers · guard · limits · listening · telemetry
- refusal
"""
