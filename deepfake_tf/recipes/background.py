"""What is left without the face: for showing that a model does not know fakes by their scenes."""

from deepfake_tf.augment import ClipOp, cutout
from deepfake_tf.recipes import light

BLACKED_OUT = cutout.Op(probability=1.0, parts=("face_and_forehead",))

OPS: tuple[ClipOp, ...] = (BLACKED_OUT, *light.OPS)
"""The face is gone before anything moves it."""
