from pathlib import Path

import hypothesis
import hypothesis.strategies as st

from deepfake_tf.decoding.picture_files import _place, holds_pictures, picture_files


def test_only_pictures_in_order_of_their_numbers(tmp_path):
    for name in ("10.png", "9.png", "009.jpg", "a2_1.JPEG", "a10_0.webp", "b.txt", ".hidden.png"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder.png").mkdir()
    names = [path.name for path in picture_files(tmp_path)]
    assert names == ["009.jpg", "9.png", "10.png", "a2_1.JPEG", "a10_0.webp"]


@hypothesis.given(st.lists(st.integers(0, 10**12), unique=True), st.booleans())
def test_numbers_are_in_order_however_many_zeros_are_in_front(numbers, is_padded):
    paths = [Path(f"frame{number:020d}.png" if is_padded else f"frame{number}.png") for number in numbers]
    assert [int(path.stem[5:]) for path in sorted(paths, key=_place)] == sorted(numbers)


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "a.mp4").write_text("x")
    assert not holds_pictures(tmp_path)
    assert picture_files(tmp_path) == []
