"""From batches to a run: what a training is told, its steps and epochs, and its folder's history."""
