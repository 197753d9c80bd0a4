"""What a network looks at, what its parts do, and whether to believe it.

Begin with `capture/`, the one place where hooks are set.

Order, highest first; each imports only from below:

- explain
- explained
- belief
- ablation · attribution
- columns · inside · representations
- capture · pictures · sample · verdict
"""
