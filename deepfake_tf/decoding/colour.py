"""Colour as numbers: from luma and chroma to RGB, and from HDR to the brightness of an ordinary screen."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

# ITU-T H.273: weights of red and blue in luma by matrix coefficients. 2 says that nobody knows: FFmpeg's default.
_LUMA_WEIGHTS = {1: (0.2126, 0.0722), 2: (0.299, 0.114), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
PQ, HLG = 16, 18
HDR_NAMES = {PQ: "PQ", HLG: "HLG"}
"""Transfer characteristics of ITU-T H.273 that are for HDR screens."""

# Brightness in cd/m2: what PQ's 1 stands for, what a mastering screen is taken to reach, and HDR's white (BT.2408),
# which is shown as the white of an ordinary screen.
_PQ_PEAK, _SCREEN_PEAK, _WHITE = 10000.0, 1000.0, 203.0
_HLG_GAMMA = 1.2
_BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)
# BT.2087: linear BT.2020 to linear BT.709.
_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
_SCREEN_GAMMA = 2.4
_ROWS_AT_A_TIME = 128


@cache
def rgb_matrix(colorspace: int, *, is_full_range: bool) -> NDArray[np.float32] | None:
    """Returns float32 [3, 4]: (luma, blue and red difference, 1), each in 0..255, to RGB in 0..255; see ITU-R BT.601.

    Args:
        colorspace: matrix coefficients of ITU-T H.273.
        is_full_range: values take all of 0..255 rather than 16..235 and 16..240.

    Returns:
        None for a matrix that is not known here.
    """
    if colorspace not in _LUMA_WEIGHTS:
        return None
    red, blue = _LUMA_WEIGHTS[colorspace]
    green = 1 - red - blue
    luma, chroma, black = (1.0, 1.0, 0.0) if is_full_range else (255 / 219, 255 / 224, 16.0)
    from_red, from_blue = 2 * (1 - red) * chroma, 2 * (1 - blue) * chroma
    rows = np.array(
        [
            [luma, 0, from_red],
            [luma, -from_blue * blue / green, -from_red * red / green],
            [luma, from_blue, 0],
        ]
    )
    return np.column_stack([rows, -rows @ [black, 128, 128]]).astype(np.float32)


def to_standard_range(rgb: NDArray[np.uint16], transfer: int) -> NDArray[np.uint8]:
    """Returns an HDR picture as an ordinary screen shows it.

    Brightness follows from the transfer function (SMPTE ST 2084, or ARIB STD-B67 with the gamma of a screen of
    1000 cd/m2), is compressed by the curve of ITU-R BT.2390 (5.4.1) so that 1000 cd/m2 become the 203 of BT.2408's
    white, by the same factor for red, green and blue; BT.2020's primaries become BT.709's, and BT.1886 makes codes of
    it.

    Args:
        rgb: uint16 [H, W, 3], of all of 0..65535, with BT.2020's primaries.
        transfer: PQ or HLG.

    Returns:
        uint8 [H, W, 3].
    """
    shown = np.empty(rgb.shape, np.uint8)
    # A few rows at a time: what lies in between is several times as large as the picture.
    for begin in range(0, len(rgb), _ROWS_AT_A_TIME):
        codes = rgb[begin : begin + _ROWS_AT_A_TIME].astype(np.float32) * np.float32(1 / 65535)
        light = pq_to_light(codes) if transfer == PQ else hlg_to_light(codes)
        brightest = light.max(-1, keepdims=True)
        light *= compress(brightest) / np.maximum(brightest, 1e-6)
        linear = np.clip(light @ _BT2020_TO_BT709.T / _WHITE, 0, 1)
        shown[begin : begin + _ROWS_AT_A_TIME] = np.rint(255 * linear ** (1 / _SCREEN_GAMMA))
    return shown


def pq_to_light(codes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns brightness in cd/m2 of codes in [0, 1] (SMPTE ST 2084)."""
    power = codes ** (1 / 78.84375)
    ratio = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    return np.asarray(_PQ_PEAK * ratio ** (1 / 0.1593017578125), np.float32)


def light_to_pq(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns codes in [0, 1] of brightness in cd/m2."""
    power = (np.maximum(light, 0) / _PQ_PEAK) ** 0.1593017578125
    return np.asarray(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375, np.float32)


def hlg_to_light(codes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns brightness in cd/m2 of RGB codes in [0, 1], [..., 3], on a screen of 1000 cd/m2 (ITU-R BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(codes <= 0.5, codes**2 / 3, (np.exp((codes - c) / a) + b) / 12)
    luma = scene @ _BT2020_LUMA
    return np.asarray(_SCREEN_PEAK * scene * luma[..., None] ** (_HLG_GAMMA - 1), np.float32)


def compress(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns brightness up to 1000 cd/m2 compressed to at most 203: darker tones stay (ITU-R BT.2390, 5.4.1)."""
    peak, white = light_to_pq(np.array([_SCREEN_PEAK, _WHITE], np.float32))
    share = np.minimum(light_to_pq(light) / peak, 1)
    most = white / peak
    knee = 1.5 * most - 0.5
    t = np.maximum(share - knee, 0) / (1 - knee)
    curve = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    return pq_to_light(np.where(share < knee, share, curve).astype(np.float32) * peak)
