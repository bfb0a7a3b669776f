"""From many trainings to the best of them: searches for settings, and cross-validation."""
