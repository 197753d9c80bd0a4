"""`TrainConfig`, `prepare` (→ `Task`), `Learner` (a step), `fit` (the loop), `Run`, events and listeners.

Begin with `config.py`, then `learner.py` and `loop.py`.

Order, highest first; each imports only from below:

- train
- execution
- loop
- step_reports
- recording · resuming
- tables · task
- learner
- distributed · preparation
- objectives · optimization · runs
- config · kernels · listeners
- events · interruption · options
"""
