"""Mirroring, small turns and shifts, and colour: what changes a picture without hiding the traces of a fake."""

from deepfake_tf.augment import ClipOp, colour, flip, turn

OPS: tuple[ClipOp, ...] = (flip.Op(), turn.Op(), colour.Op())
