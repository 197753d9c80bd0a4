"""Our training and evaluation against plain loops, side by side on one machine.

Begin with `bench.py`.

Order, highest first; each imports only from below:

- bench · peers
- chart · peer_result · scatter
- loop_process · result · worker
- loops · measures
- loop · workload
"""
