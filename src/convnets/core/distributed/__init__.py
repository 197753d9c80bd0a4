"""The processes that train one network together, as `torchrun` starts them.

Begin with `world.py`; `board.py` notices a process that no longer answers.
"""
