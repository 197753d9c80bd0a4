"""Floor 5: options, optimisers and schedules, events, and the loop."""
