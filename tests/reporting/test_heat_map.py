import io

import numpy as np
from PIL import Image

from deepfake_tf.reporting import heat_map


def colours(data):
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).reshape(-1, 3)
    return {tuple(colour) for colour in pixels.tolist()}


def test_high_is_blue_low_is_red_and_nothing_is_grey():
    shown = {
        value: colours(heat_map.draw([[value]], ["row"], ["column"], title="title", texts=[[""]]))
        for value in (1.0, 0.0, None)
    }
    assert any(blue > 80 and red < 20 for red, _, blue in shown[1.0])
    assert any(red > 80 and blue < 40 for red, _, blue in shown[0.0])
    assert (0xEE, 0xEE, 0xEE) in shown[None]


def test_a_table_grows_with_its_rows_and_columns():
    def size(rows, columns):
        names = [[f"{kind}{number}" for number in range(count)] for kind, count in (("r", rows), ("c", columns))]
        data = heat_map.draw([[0.5] * columns] * rows, *names, title="t", marked=(rows - 1, columns - 1))
        return Image.open(io.BytesIO(data)).size

    small, large = size(2, 3), size(20, 9)
    assert large[0] > small[0] + 500
    assert large[1] > small[1] + 1000
