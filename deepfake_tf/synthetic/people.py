"""Altered identities, all made from one public-domain portrait.

The portrait is `skimage.data.astronaut()` (NASA, public domain), which lies inside the scikit-image package. A person
is that portrait with other proportions, another skin, hair and clothes, perhaps older or bearded.
"""

import functools
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
"""Floats: pictures in [0, 1], maps, coordinates; each docstring gives the shape."""

STILL_SCALE = 2
"""A still has twice the portrait's resolution, so that sampling it a second time for each frame costs no sharpness."""

# Everything below is in pixels of the portrait, cut at these corners.
_CUT = (slice(0, 330), slice(20, 380))
_HEIGHT, _WIDTH = 330, 360

_OUTLINE = [
    *[(130, 60), (170, 20), (210, 10), (265, 30), (284, 80), (270, 120), (252, 140), (242, 170), (280, 200)],
    *[(292, 235), (325, 270), (345, 330), (0, 330), (10, 290), (70, 235), (88, 180), (110, 155), (145, 145)],
    *[(158, 140), (130, 115)],
]
_INSIDE = [
    *[(150, 60), (210, 25), (270, 60), (265, 110), (245, 130), (235, 165), (270, 220), (290, 270), (320, 300)],
    *[(330, 330), (20, 330), (40, 280), (100, 230), (115, 180), (160, 165), (165, 120), (140, 95)],
]
_SKIN = [
    *[(166, 74), (180, 79), (200, 80), (220, 83), (236, 89), (247, 93), (249, 110), (249, 128), (255, 130), (254, 136)],
    *[(246, 136), (242, 152), (236, 165), (234, 179), (218, 190), (200, 187), (180, 184), (167, 178), (166, 160)],
    *[(162, 142), (161, 131), (155, 128), (151, 119), (160, 120), (161, 100)],
]
RIGHT_EYE, LEFT_EYE, NOSE, MOUTH, CHIN, NECK = range(6)
_LANDMARKS = np.array([(184, 101), (226, 103), (204, 128), (203, 146), (204, 178), (204, 190)], np.float32)


@dataclass(frozen=True)
class Bump:
    """A smooth local change of shape: what lies around a point is enlarged and moved, and the rest stays.

    Attributes:
        centre: x and y of the point, in pixels of the portrait.
        radius: in x and y, where the change has fallen to 1/e.
        zoom: in x and y; 1 leaves as it is.
        shift: in x and y, in pixels.
    """

    centre: tuple[float, float]
    radius: tuple[float, float]
    zoom: tuple[float, float] = (1.0, 1.0)
    shift: tuple[float, float] = (0.0, 0.0)

    def pull(self, x: Pixels, y: Pixels) -> tuple[Pixels, Pixels]:
        """Returns what to add to x and y to get the place that the changed picture shows there."""
        from_x, from_y = x - self.centre[0], y - self.centre[1]
        weight = np.exp(-np.square(from_x / self.radius[0]) - np.square(from_y / self.radius[1]))
        pull_x = weight * (from_x * (1 / self.zoom[0] - 1) - self.shift[0])
        pull_y = weight * (from_y * (1 / self.zoom[1] - 1) - self.shift[1])
        return pull_x, pull_y


@dataclass(frozen=True)
class Person:
    """One altered identity.

    Attributes:
        shape: how the face's proportions differ from the portrait's.
        skin: added to the skin's lightness and to its a and b (CIELAB).
        hair: the same for the hair.
        suit_hue_deg: turn of the hue of the clothes.
        lips: added to the a of the lips.
        age: 0 smooth to 1 lined and blotched.
        beard: 0 none to 1 dense.
        detail: sharpening (above 0) or smoothing (below 0) of the whole head.
        is_mirrored: left and right exchanged.
        texture_seed: for the pattern of blotches and stubble.
    """

    shape: tuple[Bump, ...]
    skin: tuple[float, float, float]
    hair: tuple[float, float, float]
    suit_hue_deg: float
    lips: float
    age: float
    beard: float
    detail: float
    is_mirrored: bool
    texture_seed: int


@dataclass(frozen=True)
class Still:
    """A person's picture, facing the camera.

    Attributes:
        rgba: uint8 [H, W, 4] at STILL_SCALE times the portrait's resolution; alpha is 0 beside the person.
        landmarks_px: float32 [6, 2], x and y of eyes, nose, mouth, chin and neck in pixels of the portrait.
    """

    rgba: NDArray[np.uint8]
    landmarks_px: Pixels


def draw_person(rng: np.random.Generator) -> Person:
    """Draws a person."""
    hair_colours = [(0, 0, 0), (-28, -2, -14), (-36, 0, -20), (14, -1, -16), (-12, 12, 8), (-18, 4, 2)]
    lightness = rng.uniform(-30, 6)
    hair = np.array(hair_colours[rng.integers(len(hair_colours))]) + rng.normal(0, 2, 3)
    return Person(
        shape=_draw_shape(rng),
        skin=(lightness, rng.uniform(-1, 5), rng.uniform(-3, 7) - 0.1 * lightness),
        hair=(hair[0], hair[1], hair[2]),
        suit_hue_deg=rng.uniform(0, 360),
        lips=rng.uniform(-6, 16),
        age=rng.uniform(0, 1) ** 2,
        beard=rng.uniform(0.4, 1.0) if rng.random() < 0.25 else 0.0,
        detail=rng.uniform(-0.3, 0.5),
        is_mirrored=bool(rng.random() < 0.5),
        texture_seed=int(rng.integers(2**31)),
    )


def draw_still(person: Person) -> Still:
    """Draws a person's picture."""
    lab, alpha = _recolour(person)
    picture = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    picture = picture + person.detail * (picture - cv2.GaussianBlur(picture, (0, 0), 1.5))
    rgba = np.dstack([np.clip(picture, 0, 1), alpha])
    y, x = np.mgrid[0 : _HEIGHT * STILL_SCALE, 0 : _WIDTH * STILL_SCALE].astype(np.float32) / STILL_SCALE
    from_x, from_y = _pull_all(person.shape, x, y)
    rgba = cv2.remap(rgba, from_x, from_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    still = np.clip(255 * rgba + 0.5, 0, 255).astype(np.uint8)
    landmarks = _moved_landmarks(person.shape)
    if person.is_mirrored:
        still = np.ascontiguousarray(still[:, ::-1])
        landmarks[:, 0] = _WIDTH - 1 - landmarks[:, 0]
        landmarks[[RIGHT_EYE, LEFT_EYE]] = landmarks[[LEFT_EYE, RIGHT_EYE]]
    return Still(still, landmarks)


def _draw_shape(rng: np.random.Generator) -> tuple[Bump, ...]:
    def zoom(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    def shift(most: float) -> float:
        return float(rng.uniform(-most, most))

    apart, eyes_down, brows_down, eye_zoom = shift(2.5), shift(2.0), shift(2.5), (zoom(0.88, 1.2), zoom(0.85, 1.25))
    less_smile, hair_out = zoom(0, 3.5), shift(7.0)
    return (
        Bump((205, 100), (110, 90), (zoom(0.92, 1.1), 1.0)),
        Bump((203, 165), (55, 28), (zoom(0.86, 1.14), 1.0)),
        Bump((204, 128), (60, 30), (zoom(0.94, 1.07), 1.0)),
        Bump((204, 178), (32, 20), shift=(0.0, shift(5.0))),
        Bump((184, 101), (16, 11), eye_zoom, (-apart, eyes_down)),
        Bump((226, 103), (16, 11), eye_zoom, (apart, eyes_down)),
        Bump((184, 88), (18, 6), shift=(0.0, brows_down)),
        Bump((227, 90), (18, 6), shift=(0.0, brows_down)),
        Bump((204, 118), (13, 22), (zoom(0.8, 1.25), 1.0)),
        Bump((204, 128), (14, 10), shift=(0.0, shift(3.0))),
        Bump((203, 145), (28, 12), (zoom(0.85, 1.15), zoom(0.85, 1.15)), (0.0, shift(2.5))),
        Bump((183, 140), (9, 8), shift=(0.0, less_smile)),
        Bump((225, 140), (9, 8), shift=(0.0, less_smile)),
        Bump((208, 32), (70, 34), shift=(0.0, shift(7.0))),
        Bump((145, 85), (26, 45), shift=(-hair_out, 0.0)),
        Bump((270, 85), (26, 45), shift=(hair_out, 0.0)),
    )


def _pull_all(shape: tuple[Bump, ...], x: Pixels, y: Pixels) -> tuple[Pixels, Pixels]:
    pulls = [bump.pull(x, y) for bump in shape]
    from_x = x + sum(pull[0] for pull in pulls)
    from_y = y + sum(pull[1] for pull in pulls)
    return from_x.astype(np.float32), from_y.astype(np.float32)


def _moved_landmarks(shape: tuple[Bump, ...]) -> Pixels:
    """Where the portrait's landmarks lie in the changed picture: the change is only known backwards, so step there."""
    moved = _LANDMARKS.copy()
    for _ in range(20):
        from_x, from_y = _pull_all(shape, moved[:, 0], moved[:, 1])
        moved += 0.7 * (_LANDMARKS - np.stack([from_x, from_y], axis=1))
    return moved


@functools.cache
def _portrait() -> tuple[Pixels, Pixels, Pixels]:
    """Returns the portrait in CIELAB [H, W, 3], the person's alpha [H, W] and the skin's [H, W]."""
    from skimage import data

    portrait = np.ascontiguousarray(data.astronaut()[_CUT])
    mask = np.full((_HEIGHT, _WIDTH), cv2.GC_BGD, np.uint8)
    outline = np.array(_OUTLINE, np.int32)
    cv2.fillPoly(mask, [cv2.convexHull(outline)], cv2.GC_PR_BGD)
    cv2.fillPoly(mask, [outline], cv2.GC_PR_FGD)
    cv2.fillPoly(mask, [np.array(_INSIDE, np.int32)], cv2.GC_FGD)
    cv2.setRNGSeed(0)  # GrabCut draws its first colour clusters
    cv2.grabCut(portrait, mask, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    person = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    # The outermost pixels hold some of the studio's pale wall.
    alpha = cv2.GaussianBlur(cv2.erode(person, np.ones((3, 3), np.uint8)).astype(np.float32), (0, 0), 0.9)
    return cv2.cvtColor(portrait.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), alpha, _soft_area(_SKIN, 1.5)


def _soft_area(polygon: list[tuple[int, int]], feather_px: float) -> Pixels:
    area: Pixels = np.zeros((_HEIGHT, _WIDTH), np.float32)
    cv2.fillPoly(area, [np.array(polygon, np.int32)], 1.0)
    return cv2.GaussianBlur(area, (0, 0), feather_px)


def _soft_ellipse(centre: tuple[float, float], radius: tuple[float, float]) -> Pixels:
    y, x = np.mgrid[0:_HEIGHT, 0:_WIDTH].astype(np.float32)
    distance = np.hypot((x - centre[0]) / radius[0], (y - centre[1]) / radius[1])
    return np.clip(2.5 * (1.2 - distance), 0, 1)


def _recolour(person: Person) -> tuple[Pixels, Pixels]:
    """Returns the portrait in CIELAB with the person's colours, and its alpha."""
    portrait, alpha, skin = _portrait()
    y = np.arange(_HEIGHT, dtype=np.float32)[:, None]
    mouth = _soft_ellipse((203, 146), (21, 8))
    hair = alpha * (1 - skin) * np.clip((145 - y) / 6, 0, 1)
    # Eyes and teeth keep most of their own colour.
    tinted = skin * (1 - 0.7 * np.maximum(_soft_ellipse((184, 101), (11, 5)), _soft_ellipse((226, 103), (11, 5))))
    tinted *= 1 - 0.7 * mouth
    lab = portrait + tinted[..., None] * np.array(person.skin) + hair[..., None] * np.array(person.hair)
    lab[..., 1] += person.lips * mouth * (lab[..., 1] > 14)
    lab[..., 0] += skin * _skin_texture(person)
    _turn_hue(lab, np.clip((lab[..., 1] - 18) / 14, 0, 1) * np.clip((y - 185) / 10, 0, 1), person.suit_hue_deg)
    return lab.astype(np.float32), alpha


def _skin_texture(person: Person) -> Pixels:
    """Returns what age and beard add to the lightness of the skin, [H, W]."""
    rng = np.random.default_rng(person.texture_seed)
    grain = rng.standard_normal((_HEIGHT, _WIDTH), np.float32)
    blotches = cv2.GaussianBlur(grain, (0, 0), 4) * 14
    lines = np.zeros((_HEIGHT, _WIDTH), np.float32)
    for path in ([(191, 124), (183, 131), (179, 141)], [(217, 126), (226, 133), (231, 143)]):
        cv2.polylines(lines, [np.array(path, np.int32)], False, 1.0, 1, cv2.LINE_AA)
    for height in (85, 90, 109, 112):
        cv2.line(lines, (172, height), (193, height + 1), 0.5, 1, cv2.LINE_AA)
        cv2.line(lines, (215, height + 1), (238, height + 2), 0.5, 1, cv2.LINE_AA)
    aged = person.age * (2.5 * blotches - 22 * cv2.GaussianBlur(lines, (0, 0), 0.8) + 1.5 * grain)
    jaw = np.clip((np.arange(_HEIGHT, dtype=np.float32)[:, None] - 128) / 14, 0, 1)
    jaw = jaw * np.clip((184 - np.arange(_HEIGHT, dtype=np.float32)[:, None]) / 8, 0, 1)
    beard = jaw * (1 - _soft_ellipse((203, 146), (21, 8))) * person.beard
    return aged - beard * (13 + 6 * grain)


def _turn_hue(lab: Pixels, weight: Pixels, angle_deg: float) -> None:
    cos, sin = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    a, b = lab[..., 1].copy(), lab[..., 2].copy()
    lab[..., 1] += weight * (0.6 * (cos * a - sin * b) - a)
    lab[..., 2] += weight * (0.6 * (sin * a + cos * b) - b)
