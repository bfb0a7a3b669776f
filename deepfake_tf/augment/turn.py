"""Turns, shifts and zooms a clip a little."""

from dataclasses import dataclass

from deepfake_tf.augment import shift_scale_rotate


@dataclass(frozen=True)
class Op(shift_scale_rotate.Op):
    """Turns, shifts and zooms every frame alike, by little: what a face detector leaves unsettled."""

    max_shift: float = 0.05
    max_zoom: float = 0.1
    max_angle_deg: float = 10.0
