"""From logits to an answer: joining, calibration, threshold, verdict."""
