"""The processes that train one network together, as `torchrun` starts them.

Begin with `process_group.py`; `heartbeat.py` notices a process that no longer answers.
"""
