"""Where a model looks, and when it is sure."""
