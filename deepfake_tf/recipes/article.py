"""The augmentation of the CoAtNet article (J. Imaging 2025, 11(6), 194), with the article's chances.

Turned and upside-down faces are in it because they are in the article; `basic` and `robust` leave them out. The ranges
are the defaults of Albumentations at the time of the code that the article builds on.
"""

from deepfake_tf.augment import (
    ClipOp,
    brightness_contrast,
    clahe,
    emboss,
    flip,
    flip_vertical,
    gauss_noise,
    hue_saturation_value,
    one_of,
    rotate90,
    sharpen,
    shift_scale_rotate,
    transpose,
)

OPS: tuple[ClipOp, ...] = (
    rotate90.Op(probability=0.2),
    transpose.Op(probability=0.2),
    flip.Op(probability=0.5),
    flip_vertical.Op(probability=0.5),
    one_of.Op(ops=(gauss_noise.Op(probability=1.0),), probability=0.2),
    shift_scale_rotate.Op(probability=0.2),
    one_of.Op(
        ops=(
            clahe.Op(probability=1.0),
            sharpen.Op(probability=1.0),
            emboss.Op(probability=1.0),
            brightness_contrast.Op(probability=1.0),
        ),
        probability=0.2,
    ),
    hue_saturation_value.Op(probability=0.2),
)
