"""No augmentation."""

from deepfake_tf.augment import ClipOp

OPS: tuple[ClipOp, ...] = ()
