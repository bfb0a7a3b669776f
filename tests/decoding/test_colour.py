"""Colour against the formulas' published values and against arithmetic by hand."""

import numpy as np
import pytest

from deepfake_tf.decoding import colour


@pytest.mark.parametrize("colorspace", [1, 6, 9])
def test_grey_white_and_black_are_what_they_are(colorspace):
    matrix = colour.rgb_matrix(colorspace, is_full_range=False)
    for luma, level in ((16, 0), (235, 255), (126, 128.08)):
        assert matrix @ [luma, 128, 128, 1] == pytest.approx([level] * 3, abs=0.1)
    assert colour.rgb_matrix(colorspace, is_full_range=True) @ [77, 128, 128, 1] == pytest.approx([77] * 3, abs=0.01)


def test_colours_of_bt709_and_bt601():
    # ITU-R BT.709 and BT.601: 75 % bars in limited range, from their standards' tables.
    assert colour.rgb_matrix(1, is_full_range=False) @ [51, 109, 212, 1] == pytest.approx([191, 0, 1], abs=1.5)
    assert colour.rgb_matrix(6, is_full_range=False) @ [65, 100, 212, 1] == pytest.approx([191, 0, 0], abs=1.5)


def test_unknown_matrix_is_told():
    assert colour.rgb_matrix(8, is_full_range=True) is None


@pytest.mark.parametrize(("light", "code"), [(0, 0), (100, 0.508), (203, 0.581), (1000, 0.752), (10000, 1)])
def test_pq_has_the_values_of_its_standard(light, code):
    # ITU-R BT.2408, table 1, and SMPTE ST 2084.
    assert float(colour.light_to_pq(np.float32(light))) == pytest.approx(code, abs=1e-3)
    assert float(colour.pq_to_light(np.float32(code))) == pytest.approx(light, rel=0.02, abs=0.01)


@pytest.mark.parametrize(("code", "light"), [(0, 0), (0.75, 203), (1, 1000)])
def test_hlg_has_the_values_of_its_standard(code, light):
    # ITU-R BT.2408, table 1: HDR reference white is HLG's 75 %.
    found = colour.hlg_to_light(np.full((1, 3), code, np.float32))
    assert found == pytest.approx(np.full((1, 3), light), rel=0.01)


def test_compression_ends_at_white_keeps_the_dark_and_the_order():
    light = np.linspace(0, 1200, 500, dtype=np.float32)
    found = colour.compress(light)
    assert (np.diff(found) >= -1e-3).all()
    assert found[-1] == pytest.approx(203, rel=1e-3)
    # Below the knee, 1.5 x 0.581 / 0.752 - 0.5 of the screen's peak in PQ, nothing changes.
    assert found[light < 35] == pytest.approx(light[light < 35], rel=2e-3, abs=0.01)


@pytest.mark.parametrize(("transfer", "code"), [(colour.PQ, 0.752), (colour.HLG, 1.0)])
def test_black_and_peak_white_become_black_and_white(transfer, code):
    codes = np.zeros((2, 2, 3), np.uint16)
    codes[1] = round(code * 65535)
    shown = colour.to_standard_range(codes, transfer)
    assert shown[0].max() == 0
    assert shown[1].min() >= 253


def test_dark_grey_of_pq_by_hand():
    # 20 cd/m2 lie below the knee: 255 x (20 / 203) ^ (1 / 2.4) = 97.0.
    codes = np.full((1, 1, 3), round(float(colour.light_to_pq(np.float32(20))) * 65535), np.uint16)
    assert colour.to_standard_range(codes, colour.PQ)[0, 0] == pytest.approx([97, 97, 97], abs=1)


def test_long_pictures_are_done_in_parts():
    codes = np.random.default_rng(0).integers(0, 45000, (300, 3, 3)).astype(np.uint16)
    whole = colour.to_standard_range(codes, colour.HLG)
    assert np.array_equal(whole[290:], colour.to_standard_range(codes[290:], colour.HLG))
