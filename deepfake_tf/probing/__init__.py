"""From frozen backbones to a classifier: embeddings, what is fitted on them, and the table of all."""
