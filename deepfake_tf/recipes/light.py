"""As `robust`, but by less: for networks that learn from nothing, in little time.

Faces of most data sets are larger than a crop: what compression did to them is smaller once they are shrunk to it.
"""

from deepfake_tf.augment import ClipOp, blur, colour, downscale, flip, h264, jpeg, one_of, sensor_noise, turn

OPS: tuple[ClipOp, ...] = (
    flip.Op(),
    turn.Op(probability=0.2),
    colour.Op(probability=0.4),
    blur.Op(probability=0.1, sigma_px=(0.3, 0.8)),
    sensor_noise.Op(probability=0.1, read_std=(0.5, 2.0), gain=(0.01, 0.1)),
    downscale.Op(probability=0.2, scale=(0.5, 0.95)),
    one_of.Op(
        ops=(h264.Op(probability=1.0, rate_factor=(18, 32)), jpeg.Op(probability=1.0, quality=(50, 95))),
        probability=0.4,
    ),
)
