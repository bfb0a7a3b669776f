"""What cameras, video sites and social media do to a video: light, noise, blur, shrinking and compressing it again."""

from deepfake_tf.augment import (
    ClipOp,
    blur,
    colour,
    downscale,
    flip,
    gamma,
    h264,
    jpeg,
    one_of,
    sensor_noise,
    turn,
)

OPS: tuple[ClipOp, ...] = (
    flip.Op(),
    turn.Op(probability=0.3),
    # In the order in which it happens to a video: the scene, the camera, then sites that store it.
    colour.Op(probability=0.4),
    gamma.Op(probability=0.2),
    blur.Op(probability=0.2),
    sensor_noise.Op(probability=0.2),
    downscale.Op(probability=0.25),
    one_of.Op(ops=(h264.Op(probability=1.0), jpeg.Op(probability=1.0)), probability=0.5),
)
