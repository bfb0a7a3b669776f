"""As `basic`, and now and then the eyes, the nose, the mouth or half of the face is blackened."""

from deepfake_tf.augment import ClipOp, cutout
from deepfake_tf.recipes import basic

OPS: tuple[ClipOp, ...] = (cutout.Op(probability=0.4), *basic.OPS)
