"""How a person is filmed: head, mouth and eyes move in front of a background, under a light, seen by a camera."""

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_tf.synthetic.people import CHIN, LEFT_EYE, MOUTH, NECK, NOSE, RIGHT_EYE, STILL_SCALE, Pixels, Still

WIDTH, HEIGHT = 320, 240
FPS = 15
NUM_FRAMES = 30
_SHAKE_PX = 8


@dataclass(frozen=True)
class Pose:
    """The person at one moment; lengths in pixels of the portrait.

    Attributes:
        head_shift: of the head against the body, x and y.
        head_angle: in radians.
        head_zoom: 1 is the portrait's size.
        turn: how far the inner face is moved in the head, x and y, as if it turned and nodded.
        mouth: height of the mouth, -1 closed to 1 wide open.
        lids: 0 open to 1 closed.
    """

    head_shift: tuple[float, float]
    head_angle: float
    head_zoom: float
    turn: tuple[float, float]
    mouth: float
    lids: float


@dataclass(frozen=True)
class Scene:
    """One take, without the person in it.

    Attributes:
        background: float32 [HEIGHT + 2 * 8, WIDTH + 2 * 8, 3] in [0, 1].
        shake_px: int [NUM_FRAMES, 2], movement of the background, x and y.
        poses: one for each frame.
        body_zoom: pixels of the video for each pixel of the portrait.
        body_px: x and y, in the video, of the point between the eyes of a head at rest.
        light: float32 [NUM_FRAMES], brightness of each frame.
        light_slope: by how much the right is brighter than the left, and the bottom than the top.
        light_rgb: tint.
        blur_px: standard deviation of the lens's blur.
        noise: standard deviation of the sensor's noise, in [0, 1] of full scale.
        noise_seed: for the sensor's noise.
        crf: H.264's constant rate factor.
    """

    background: Pixels
    shake_px: NDArray[np.int64]
    poses: tuple[Pose, ...]
    body_zoom: float
    body_px: tuple[float, float]
    light: Pixels
    light_slope: tuple[float, float]
    light_rgb: tuple[float, float, float]
    blur_px: float
    noise: float
    noise_seed: int
    crf: int


def draw_scene(rng: np.random.Generator, background: Pixels) -> Scene:
    """Draws one take in front of a background."""
    shift_x, shift_y, angle, zoom, turn_x, turn_y = (_sway(rng).tolist() for _ in range(6))
    mouth, lids = _speech(rng).tolist(), _blinks(rng).tolist()
    poses = tuple(
        Pose(
            head_shift=(6 * shift_x[t], 3 * shift_y[t]),
            head_angle=0.09 * angle[t],
            head_zoom=1 + 0.03 * zoom[t],
            turn=(4.0 * turn_x[t], 2.0 * turn_y[t]),
            mouth=mouth[t],
            lids=lids[t],
        )
        for t in range(NUM_FRAMES)
    )
    return Scene(
        background=background,
        shake_px=np.round(1.2 * np.stack([_sway(rng), _sway(rng)], axis=1)).astype(np.int64),
        poses=poses,
        body_zoom=rng.uniform(0.8, 1.0),
        body_px=(WIDTH / 2 + rng.uniform(-22, 22), rng.uniform(88, 104)),
        light=(rng.uniform(0.85, 1.08) * (1 + 0.06 * _sway(rng))).astype(np.float32),
        light_slope=(rng.uniform(-0.25, 0.25), rng.uniform(-0.15, 0.15)),
        light_rgb=(rng.uniform(0.95, 1.05), 1.0, rng.uniform(0.92, 1.06)),
        blur_px=rng.uniform(0.3, 0.6),
        noise=rng.uniform(0.014, 0.022),
        noise_seed=int(rng.integers(2**31)),
        crf=int(rng.integers(19, 25)),
    )


def draw_background(rng: np.random.Generator) -> Pixels:
    """Draws a wall, a shelf, lights out of focus or a window; float32 RGB in [0, 1]."""
    shape = (HEIGHT + 2 * _SHAKE_PX, WIDTH + 2 * _SHAKE_PX, 3)
    wall = rng.uniform(0.15, 0.8) * (1 + rng.uniform(-0.18, 0.18, 3))
    picture = np.empty(shape, np.float32)
    picture[:] = wall
    slope = np.linspace(rng.uniform(0.7, 1), rng.uniform(1, 1.3), shape[1])
    picture *= slope[None, :, None]
    draw = (_draw_wall, _draw_shelf, _draw_lights, _draw_window)[rng.integers(4)]
    draw(picture, rng)
    return np.clip(picture, 0, 1).astype(np.float32)


def person_coordinates(scene: Scene, still: Still, frame_index: int) -> tuple[Pixels, Pixels]:
    """Returns x and y, in pixels of a person's face at rest, of each pixel of a frame; float32 [HEIGHT, WIDTH] each."""
    pose = scene.poses[frame_index]
    eyes = still.landmarks_px[[RIGHT_EYE, LEFT_EYE]].mean(axis=0)
    neck_x, neck_y = still.landmarks_px[NECK]
    # float32 all the way: a wider number anywhere would double the time.
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    x = (x - scene.body_px[0]) / scene.body_zoom + eyes[0]
    y = (y - scene.body_px[1]) / scene.body_zoom + eyes[1]
    # The head moves about the neck, the body stays, and the collar gives way in between.
    cos, sin = math.cos(pose.head_angle) / pose.head_zoom, math.sin(pose.head_angle) / pose.head_zoom
    from_x, from_y = x - neck_x - pose.head_shift[0], y - neck_y - pose.head_shift[1]
    head_x, head_y = neck_x + cos * from_x + sin * from_y, neck_y - sin * from_x + cos * from_y
    weight = np.clip((neck_y + 48 - y) / 55, 0, 1)
    weight = weight * weight * (3 - 2 * weight)
    x, y = x + weight * (head_x - x), y + weight * (head_y - y)
    nose_x, nose_y = still.landmarks_px[NOSE]
    inner = np.exp(-np.square((x - nose_x) / 42) - np.square((y - nose_y + 8) / 48))
    return x - inner * pose.turn[0], y - inner * pose.turn[1]


def sample_person(still: Still, pose: Pose, x: Pixels, y: Pixels) -> Pixels:
    """Returns RGBA in [0, 1], float32 [H, W, 4], of a person who speaks and blinks, at points of the face at rest."""
    mouth_x, mouth_y = still.landmarks_px[MOUTH]
    chin_y = still.landmarks_px[CHIN][1]
    # Enlarged in height where the mouth opens, flattened where it closes; the chin follows.
    around = np.exp(-np.square((x - mouth_x) / 26) - np.square((y - mouth_y) / 11))
    opening = -0.35 * pose.mouth if pose.mouth > 0 else -1.1 * pose.mouth
    jaw = np.exp(-np.square((x - mouth_x) / 34) - np.square((y - chin_y + 4) / 20))
    from_y = y + opening * around * (y - mouth_y) - 2.2 * max(pose.mouth, 0) * jaw
    for eye_x, eye_y in still.landmarks_px[[RIGHT_EYE, LEFT_EYE]]:
        lid = np.exp(-np.square((x - eye_x) / 15) - np.square((y - eye_y) / 7))
        from_y = from_y + 2.0 * pose.lids * lid * (y - eye_y)
    map_x, map_y = STILL_SCALE * x.astype(np.float32), STILL_SCALE * from_y.astype(np.float32)
    sampled = cv2.remap(still.rgba, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return sampled.astype(np.float32) / 255


def film(scene: Scene, person: Pixels, grainless: Pixels, frame_index: int, grain: Pixels) -> NDArray[np.uint8]:
    """Returns one frame as the camera gives it.

    Args:
        scene: the take.
        person: RGBA in [0, 1], float32 [HEIGHT, WIDTH, 4].
        grainless: share of the sensor's noise that is missing, in [0, 1], float32 [HEIGHT, WIDTH].
        frame_index: number of the frame.
        grain: what `sensor_grain` returned for this scene.

    Returns:
        RGB, uint8 [HEIGHT, WIDTH, 3].
    """
    shake_x, shake_y = scene.shake_px[frame_index] + _SHAKE_PX
    behind = scene.background[shake_y : shake_y + HEIGHT, shake_x : shake_x + WIDTH]
    frame = behind + _as_rgb(person[..., 3]) * (person[..., :3] - behind)
    frame *= _light_field(scene.light_slope, scene.light_rgb)
    frame *= float(scene.light[frame_index])
    frame = cv2.GaussianBlur(frame, (0, 0), scene.blur_px)
    # One field of grain, cut elsewhere for each frame, costs a tenth of a new one.
    begin = (frame_index * 37) % _GRAIN_MARGIN_PX
    cut = grain[begin : begin + HEIGHT, _GRAIN_MARGIN_PX - begin : _GRAIN_MARGIN_PX - begin + WIDTH]
    frame += _as_rgb(1 - grainless) * cut
    return np.clip(255 * frame + 0.5, 0, 255).astype(np.uint8)


def _as_rgb(channel: Pixels) -> Pixels:
    """Returns [H, W] three times: NumPy multiplies equal shapes several times faster than it broadcasts over three."""
    return cv2.merge([channel, channel, channel])


@functools.lru_cache(maxsize=1)
def _light_field(slope: tuple[float, float], rgb: tuple[float, float, float]) -> Pixels:
    """Returns how bright the light is over the frame, float32 [HEIGHT, WIDTH, 3]."""
    across = np.linspace(-0.5, 0.5, WIDTH) * slope[0]
    down = np.linspace(-0.5, 0.5, HEIGHT) * slope[1]
    light = 1 + across[None, :] + down[:, None]
    return (light[..., None] * np.array(rgb)).astype(np.float32)


_GRAIN_MARGIN_PX = 61


def sensor_grain(scene: Scene) -> Pixels:
    """Returns the scene's field of sensor noise, for `film`."""
    rng = np.random.default_rng(scene.noise_seed)
    size = (HEIGHT + _GRAIN_MARGIN_PX, WIDTH + _GRAIN_MARGIN_PX, 3)
    return (scene.noise * rng.standard_normal(size)).astype(np.float32)


def _sway(rng: np.random.Generator) -> Pixels:
    """Returns a smooth movement, mostly within [-1, 1], float32 [NUM_FRAMES]."""
    time_sec = np.arange(NUM_FRAMES) / FPS
    waves = [
        rng.uniform(0.3, 1) * np.sin(2 * np.pi * (frequency * time_sec + rng.random()))
        for frequency in (rng.uniform(0.15, 0.4), rng.uniform(0.4, 0.9), rng.uniform(0.9, 1.5))
    ]
    return ((waves[0] + 0.5 * waves[1] + 0.2 * waves[2]) / 1.2).astype(np.float32)


def _speech(rng: np.random.Generator) -> Pixels:
    """Returns how far the mouth is open: syllables, three to five a second, with pauses."""
    time_sec = np.arange(NUM_FRAMES) / FPS
    syllables = np.abs(np.sin(np.pi * (rng.uniform(3, 5) * time_sec + rng.random())))
    loudness = np.clip(0.6 + _sway(rng), 0, 1)
    return (-0.6 + 1.4 * syllables * loudness).astype(np.float32)


def _blinks(rng: np.random.Generator) -> Pixels:
    lids = np.zeros(NUM_FRAMES, np.float32)
    for begin in rng.integers(0, NUM_FRAMES - 4, size=rng.integers(1, 3)):
        lids[begin : begin + 4] = (0.5, 1.0, 0.9, 0.4)
    return lids


def _draw_wall(picture: Pixels, rng: np.random.Generator) -> None:
    clouds = cv2.resize(
        rng.normal(0, 0.06, (6, 8, 3)).astype(np.float32), picture.shape[1::-1], interpolation=cv2.INTER_CUBIC
    )
    picture += clouds


def _draw_shelf(picture: Pixels, rng: np.random.Generator) -> None:
    height, width, _ = picture.shape
    for top in range(0, height, 64):
        x = 0
        while x < width:
            book = int(rng.integers(7, 20))
            colour = rng.uniform(0.1, 0.7) * (1 + rng.uniform(-0.4, 0.4, 3))
            cv2.rectangle(picture, (x, top + int(rng.integers(4, 24))), (x + book - 1, top + 58), colour.tolist(), -1)
            x += book
    picture[:] = cv2.GaussianBlur(picture, (0, 0), rng.uniform(1.5, 3.0))


def _draw_lights(picture: Pixels, rng: np.random.Generator) -> None:
    height, width, _ = picture.shape
    picture *= 0.5
    for _ in range(rng.integers(12, 28)):
        light = np.zeros_like(picture)
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(light, centre, int(rng.integers(6, 22)), rng.uniform(0.1, 0.5, 3).tolist(), -1, cv2.LINE_AA)
        picture += light
    picture[:] = cv2.GaussianBlur(picture, (0, 0), 2.0)


def _draw_window(picture: Pixels, rng: np.random.Generator) -> None:
    left, top = int(rng.integers(-40, 220)), int(rng.integers(-30, 60))
    sky = rng.uniform(0.7, 0.95) * np.array([0.92, 0.97, 1.0])
    cv2.rectangle(picture, (left, top), (left + 110, top + 130), sky.tolist(), -1)
    frame = rng.uniform(0.2, 0.9, 3).tolist()
    cv2.rectangle(picture, (left, top), (left + 110, top + 130), frame, 6, cv2.LINE_AA)
    cv2.line(picture, (left + 55, top), (left + 55, top + 130), frame, 4, cv2.LINE_AA)
    picture[:] = cv2.GaussianBlur(picture, (0, 0), rng.uniform(1.0, 2.5))
