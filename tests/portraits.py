"""Frames with a real face: the public-domain portrait of Eileen Collins (NASA) that comes with scikit-image."""

import cv2
import numpy as np
import skimage.data

FACE_XYXY = (180, 75, 265, 175)
"""Roughly where the face lies in the portrait."""


def portrait():
    """uint8 RGB [512, 512, 3]."""
    return skimage.data.astronaut()


def scene(places, *, width=640, height=360, scale=0.5):
    """uint8 RGB [height, width, 3]: the portrait's head at each place (left, top), on grey."""
    canvas = np.full((height, width, 3), 110, np.uint8)
    head = portrait()[20:220, 130:330]
    head = cv2.resize(head, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for left, top in places:
        canvas[top : top + head.shape[0], left : left + head.shape[1]] = head
    return canvas
