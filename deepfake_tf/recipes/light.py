"""As `robust`, but by degrees: what a video site leaves of a face that is shrunk to a crop afterwards.

Faces of most data sets are twice as large as a crop: what compression does to them is halved with them. Under `robust`
half of all traces are gone, and a network that learns from nothing has too little to begin with.
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
