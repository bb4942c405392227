"""Settings, folders, checkpoints, outcomes, and the loop that trains."""
