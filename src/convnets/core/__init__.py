"""Shape arithmetic, the device chosen once, seeds, and files that are written whole or not at all.

Begin with `seeds.py` and `hardware.py`.

Order, highest first; each imports only from below:

- environment
- hardware
- html
- display · distributed · forks · memory · memory_layout · network_copy · seeds · shapes · storage ·
  undisturbed
"""
