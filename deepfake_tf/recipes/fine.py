"""Mirroring and colour alone: no pixel is resampled, so that traces as fine as a sensor's noise stay what they are."""

from deepfake_tf.augment import ClipOp, colour, flip

OPS: tuple[ClipOp, ...] = (flip.Op(), colour.Op())
