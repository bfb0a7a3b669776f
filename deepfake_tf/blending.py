"""Self-blended fakes: a real clip whose face is blended with a changed copy of itself.

    clip --two copies--> source, target --change one of them, move the source--> blend the source's face into the target

What every face swap leaves behind is there, without any fake to learn from: a seam around the face, two colours, two
sharpnesses, two lights, two histories of compression. After the ideas of Li et al., "Face X-ray for More General Face
Forgery Detection" (CVPR 2020: any outline, deformed and softened), Shiohara and Yamasaki, "Detecting Deepfakes with
Self-Blended Images" (CVPR 2022: the source is the target itself, changed and moved), and for video of Nguyen et al.,
"FakeSTormer" (ICCV 2025): everything is drawn once per clip and follows the face through it, with an optional tremble.
Changes that these leave out are those of today's swaps: a face from a small generator, skin without pores, another
light, colours that are matched, and seams as wide as a cheek.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import face_regions
from deepfake_tf.errors import ConfigError

ClipArray = NDArray[np.uint8]
Random = np.random.Generator

# Below this mean difference inside the seam a fake shows nothing to learn from.
_LEAST_TRACE = 2.0
_MAX_TRIES = 4
# As a share of the region's shorter side, in the face's own axes: half a face is 1 wide and a quarter of the crop.
_WIDEST_SEAM = 0.045


@dataclass(frozen=True)
class Blend:
    """One blended fake.

    Attributes:
        clip: uint8 [T, H, W, 3] RGB.
        weights: float32 [T, H, W] in [0, 1], the source's share at each pixel.
        source: whose face it is, if another person's.
    """

    clip: ClipArray
    weights: NDArray[np.float32]
    source: str = ""


@dataclass(frozen=True)
class SelfBlend:
    """Makes self-blended fakes.

    Attributes:
        shapes: regions to blend, see face_regions.OUTLINES; one is drawn per clip.
        strengths: shares of the source in the middle of the region; one is drawn per clip.
        colour: how far colours are driven apart at most; 1 is about 20 grey levels. Each fake gets a share of it from
            nothing to all, for many swaps are matched in colour.
        light: how far a light differs that changes slowly over the face; 1 is about a quarter of the brightness. Half
            of all fakes keep theirs.
        sharpness: whether sharpness, resolution, noise or compression of the two copies may differ.
        inside: chance that the changed copy is the source, of which half leaves no side to be told by its sharpness.
        seams: standard deviation of the soft edge, least and most, as shares of the crop.
        max_shift: largest shift of the source, as a share of the crop.
        max_zoom: largest change of the source's size, as a share.
        tremble: chance that seam, position and strength tremble from frame to frame, in [0, 1].
    """

    shapes: tuple[str, ...] = (
        *("face", "face", "face_and_forehead", "face_and_forehead", "inner_face", "oval", "lower_face"),
        # Reenactment changes a mouth alone.
        *("mouth", "eyes"),
    )
    # Two copies mixed are softer than either: few swaps are.
    strengths: tuple[float, ...] = (0.5, 0.75, 1.0, 1.0, 1.0, 1.0)
    # As far as Shiohara and Yamasaki's: with less, what is learned is sharpness alone (see the log of generalising/).
    colour: float = 1.5
    light: float = 1.0
    sharpness: bool = True
    inside: float = 0.5
    # From a hard seam, one pixel wide, to one that fades over a third of the face.
    seams: tuple[float, float] = (0.006, 0.08)
    max_shift: float = 0.025
    max_zoom: float = 0.05
    tremble: float = 0.3

    def __post_init__(self) -> None:
        unknown = sorted(set(self.shapes) - set(face_regions.OUTLINES))
        if unknown or not self.shapes:
            known = ", ".join(face_regions.OUTLINES)
            raise ConfigError(f"shapes must be some of {known}. Received: {', '.join(self.shapes) or 'none'}")
        if not self.strengths or not all(0 < one <= 1 for one in self.strengths):
            raise ConfigError(f"strengths must lie in (0, 1]. Received: {self.strengths}")
        if not 0 < self.seams[0] <= self.seams[1] <= 0.1:
            raise ConfigError(f"seams must be two shares of the crop in (0, 0.1], rising. Received: {self.seams}")

    def __call__(
        self, clip: ClipArray, seed: int, *, keypoints_px: NDArray | None = None, mask: NDArray | None = None
    ) -> Blend:
        """Blends a real clip with itself.

        Args:
            clip: uint8 [T, H, W, 3] RGB, H = W; it is not changed. T is 1 for a photograph.
            seed: 0 or more; the same seed gives the same fake.
            keypoints_px: float32 [T, 6, 2], BlazeFace's, in pixels of the crop; those of a typical crop if None.
            mask: bool [T], which frames are there; all if None. The others stay as they are.

        Returns:
            The fake and where it was blended.
        """
        there = np.ones(len(clip), bool) if mask is None else np.asarray(mask, bool)
        keypoints = face_regions.fill_in(keypoints_px, there, len(clip), clip.shape[1])
        look_at = int(np.argmax(there))
        for attempt in range(_MAX_TRIES):
            made, target = self._blend(clip, keypoints, np.random.default_rng([seed, attempt]))
            if _trace(made, target, look_at) >= _LEAST_TRACE:
                break
        made.clip[~there], made.weights[~there] = clip[~there], 0
        return made

    def _blend(self, clip: ClipArray, keypoints: NDArray, random: Random) -> tuple[Blend, ClipArray]:
        """Returns a fake and the target that the source was blended into."""
        size = clip.shape[1]
        # Every draw is made whatever the others say, so that one setting does not reshuffle the rest.
        trembles = random.random() < self.tremble
        weights = self.draw_weights(keypoints, size, random, 0.012 if trembles else 0.0)
        strength = self.strengths[random.integers(len(self.strengths))]
        flicker = 1 + random.uniform(-0.15, 0.15, len(clip)) * trembles
        weights *= np.minimum(strength * flicker, 1).astype(np.float32)[:, None, None]
        changed = self._change(clip, random)
        source, target = (changed, clip) if random.random() < self.inside else (clip, changed)
        source = self._move(source, keypoints, random, 0.006 if trembles else 0.0)
        return Blend(mix(source, target, weights), weights), target

    def draw_weights(self, keypoints: NDArray, size: int, random: Random, tremble: float = 0.0) -> NDArray[np.float32]:
        """Draws a region and how soft its edge is.

        Args:
            keypoints: float32 [T, 6, 2] in pixels of the crop.
            size: H = W of the crop.
            random: is drawn from.
            tremble: how far it moves from frame to frame, as a share of the crop.

        Returns:
            The source's share at each pixel, float32 [T, H, W] in [0, 1].
        """
        shape = self.shapes[random.integers(len(self.shapes))]
        softness = float(np.exp(random.uniform(*np.log(self.seams))))
        return _weights(shape, softness, keypoints, size, random, tremble)

    def _change(self, clip: ClipArray, random: Random) -> ClipArray:
        """Returns the copy whose colours, light, sharpness or history differ."""
        changed = _recolour(clip, random, self.colour * random.random())
        changed = _relit(changed, random, self.light * max(0.0, 2 * random.random() - 1))
        kind = _SHARPNESS[random.integers(len(_SHARPNESS))]
        amount = random.random()
        return _each(changed, lambda frame: kind(frame, amount)) if self.sharpness else changed

    def _move(self, clip: ClipArray, keypoints: NDArray, random: Random, tremble: float) -> ClipArray:
        """Shifts and zooms the source about the face's middle: its features no longer fit the target's."""
        import cv2

        size = clip.shape[1]
        shift = random.uniform(-self.max_shift, self.max_shift, 2) * size
        zoom = 1 + random.uniform(-self.max_zoom, self.max_zoom, 2)
        shaking = random.normal(0, 1, (len(clip), 2)) * tremble * size
        # With linear alone nearly every source is softer than its target, which swaps need not be (see the log of
        # generalising/), and little else is learned.
        interpolation = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)[random.integers(3)]
        moved = np.empty_like(clip)
        for number, frame in enumerate(clip):
            middle = keypoints[number].mean(axis=0)
            matrix = np.column_stack([np.diag(zoom), middle - zoom * middle + shift + shaking[number]])
            cv2.warpAffine(
                frame,
                matrix,
                (size, size),
                dst=moved[number],
                flags=interpolation,
                borderMode=cv2.BORDER_REFLECT_101,
            )
        return moved


# The region -----------------------------------------------------------------------------------------------------------


def _weights(
    shape: str, softness: float, keypoints: NDArray, size: int, random: Random, tremble: float
) -> NDArray[np.float32]:
    """Returns the source's share, float32 [T, H, W]: a deformed outline of the face with a soft edge."""
    import cv2

    outline = face_regions.OUTLINES[shape]
    # A wider edge would wash a mouth away.
    softness = min(softness, _WIDEST_SEAM * float(np.ptp(outline, axis=0).min()))
    outline = _deform(outline, softness, random)
    shaken = keypoints + random.normal(0, 1, (len(keypoints), 1, 2)) * tremble * size
    regions = face_regions.draw(face_regions.place(outline, shaken), size)
    return np.stack([cv2.GaussianBlur(region, (0, 0), softness * size) for region in regions]) * np.float32(1 / 255)


def _deform(outline: NDArray, softness: float, random: Random) -> NDArray[np.float32]:
    """Returns the outline with more points, scaled and pushed about by a smooth field: elastic deformation."""
    import cv2

    closed = np.concatenate([outline, outline[:1]])
    dense = np.concatenate([np.linspace(a, b, 4, endpoint=False) for a, b in zip(closed[:-1], closed[1:], strict=True)])
    middle = dense.mean(axis=0)
    # A coarse field over the face, read between its nodes.
    field = random.normal(0, random.uniform(0.03, 0.1), (5, 5, 2)).astype(np.float32)
    at = ((dense - (-1.2, -1.2)) / (2.4, 3.2) * 4).astype(np.float32)
    push = cv2.remap(field, at[:, None, 0], at[:, None, 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    # Smaller by what the soft edge adds, half a face being a quarter of the crop: the seam stays inside the face.
    scale = random.uniform(0.92, 1.06, 2) - 3 * softness
    return ((dense - middle) * scale + middle + push[:, 0]).astype(np.float32)


def mix(source: ClipArray, target: ClipArray, weights: NDArray[np.float32]) -> ClipArray:
    """Returns a source blended into a target, both uint8 [T, H, W, 3], by its share at each pixel."""
    import cv2

    mixed = np.empty_like(target)
    for number, weight in enumerate(weights):
        cv2.blendLinear(source[number], target[number], weight, 1 - weight, dst=mixed[number])
    return mixed


def _trace(made: Blend, target: ClipArray, number: int) -> float:
    """Returns how much the source differs from what it was blended into, on average in one frame, in grey levels."""
    inside = made.weights[number] > 0.1
    if not inside.any():
        return 0.0
    return float(np.abs(made.clip[number][inside].astype(np.int16) - target[number][inside]).mean())


# What differs between the two copies ----------------------------------------------------------------------------------


def _recolour(clip: ClipArray, random: Random, amount: float) -> ClipArray:
    """Turns hue, changes saturation, contrast and each channel's level: one matrix for all pixels."""
    import cv2

    if not amount:
        return clip.copy()
    weights = np.array([0.299, 0.587, 0.114])
    saturation = 1 + random.uniform(-0.25, 0.25) * amount
    colour = saturation * np.eye(3) + (1 - saturation) * np.tile(weights, (3, 1))
    contrast = 1 + random.uniform(-0.12, 0.12) * amount
    gains = 1 + random.uniform(-0.05, 0.05, 3) * amount
    matrix = gains[:, None] * contrast * colour
    levels = random.uniform(-8, 8, 3) * amount + random.uniform(-10, 10) * amount + 110 * (1 - contrast)
    rows = clip.reshape(-1, clip.shape[2], 3)
    changed = cv2.transform(rows, np.column_stack([matrix, levels]))
    return np.asarray(changed, np.uint8).reshape(clip.shape)


def _relit(clip: ClipArray, random: Random, amount: float) -> ClipArray:
    """Multiplies with a field that changes slowly over the face."""
    import cv2

    nodes = random.normal(0, 0.12, (3, 3)).astype(np.float32) * np.float32(amount)
    if not amount:
        return clip
    size = clip.shape[1]
    field = cv2.merge([np.exp(cv2.resize(nodes, (size, size), interpolation=cv2.INTER_CUBIC))] * 3)
    return _each(clip, lambda frame: np.asarray(cv2.multiply(frame, field, dtype=cv2.CV_8U)))


def _each(clip: ClipArray, change: Callable[[NDArray], NDArray]) -> ClipArray:
    return np.stack([change(frame) for frame in clip])


def _blurred(frame: NDArray, amount: float) -> NDArray:
    import cv2

    return cv2.GaussianBlur(frame, (0, 0), (0.003 + 0.007 * amount) * len(frame))


def _shrunk(frame: NDArray, amount: float) -> NDArray:
    """Goes through a generator's face, 64 pixels wide of early ones and 256 of later ones, in a face twice as wide."""
    import cv2

    size = len(frame)
    small = cv2.resize(frame, (round(size * (0.85 - 0.5 * amount)),) * 2, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)


def sharpen(frame: NDArray, amount: float) -> NDArray:
    """Returns a frame whose fine detail is stronger, by half for an amount of 0 and by one and a half for 1."""
    import cv2

    strength = 0.5 + amount
    return cv2.addWeighted(frame, 1 + strength, cv2.GaussianBlur(frame, (0, 0), 1.2), -strength, 0)


def _compressed(frame: NDArray, amount: float) -> NDArray:
    import cv2

    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, round(65 - 35 * amount)])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def _unchanged(frame: NDArray, amount: float) -> NDArray:
    return frame


def _smoothed(frame: NDArray, amount: float) -> NDArray:
    """Takes pores and noise away and leaves edges, as a network that has seen few of them."""
    import cv2

    return cv2.bilateralFilter(frame, 5, 10 + 30 * amount, 2.5)


# A third differs in none of it: colours, light and features are to be seen as well.
_SHARPNESS = (_blurred, _shrunk, _smoothed, sharpen, sharpen, _compressed, *[_unchanged] * 3)
