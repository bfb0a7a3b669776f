"""From shards to batches: which clips, read and decoded, changed and laid side by side."""
