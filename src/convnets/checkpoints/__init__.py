"""Floor 3: the model folder that every tool starts from, and the training state that a run resumes from."""
