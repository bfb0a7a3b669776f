"""Plain messages: what goes in comes out, and nothing else does."""

import dataclasses
import gc
import json
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_tf import plain
from deepfake_tf.errors import DecodeError
from deepfake_tf.schema import Clip, Outcome

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_what_goes_in_comes_out(value):
    assert plain.loads(plain.dumps(value)) == value


@pytest.mark.parametrize("kind", ["u1", "<i8", "<f4", "?"])
@pytest.mark.parametrize("shape", [(), (0, 4), (3, 2)])
def test_arrays_come_out_as_they_were(kind, shape):
    value = np.random.default_rng(0).integers(0, 2, shape).astype(kind)
    found = plain.loads(plain.dumps(value))
    assert found.dtype == value.dtype
    assert found.shape == shape
    assert np.array_equal(found, value)
    assert found.flags.writeable


def test_what_has_been_read_is_let_go_at_once():
    data = plain.dumps([b"a", ("b", np.zeros(3))])
    gc.collect()
    plain.loads(data)
    assert gc.collect() == 0


def test_a_clip_comes_out_as_it_was():
    clip = Clip(
        clip_id="0/0",
        track_id=0,
        crops=(b"one", b""),
        mask=np.array([True, False]),
        timestamps_us=np.array([5, 0]),
        frame_indices=np.array([1, 0]),
        boxes_xyxy_px=np.ones((2, 4), np.float32),
        keypoints_crop_px=np.ones((2, 6, 2), np.float32),
        confidences=np.array([0.5, 0], np.float32),
        sharpness=np.zeros(2, np.float32),
    )
    found, outcome = plain.loads(plain.dumps((clip, Outcome.OK)))
    assert outcome is Outcome.OK
    for one in dataclasses.fields(Clip):
        assert np.array_equal(getattr(found, one.name), getattr(clip, one.name))


@pytest.mark.parametrize("error", [DecodeError("broken"), KeyError("missing"), OSError(2, "not there")])
def test_errors_keep_their_type_words_and_notes(error):
    error.add_note("on the way")
    found = plain.loads(plain.dumps(error))
    assert type(found) is type(error)
    assert found.args == error.args
    assert found.__notes__ == ["on the way"]


class Other:
    pass


@dataclasses.dataclass
class NotRegistered:
    value: int = 1


class OwnError(Exception):
    pass


@pytest.mark.parametrize(
    "value", [Other(), NotRegistered(), print, {1, 2}, np.array([Other()]), OwnError("x"), SystemExit(1)]
)
def test_what_is_no_data_is_refused(value):
    with pytest.raises(TypeError, match="cannot come back"):
        plain.dumps([value])


def message(tree, blobs=b""):
    text = json.dumps(tree).encode()
    return struct.pack("<Q", len(text)) + text + blobs


HOSTILE = {
    "nothing": b"",
    "pickle": pickle.dumps(Other()),
    "no JSON": struct.pack("<Q", 3) + b"{x}",
    "length beyond the end": struct.pack("<Q", 2**63) + b"1",
    "kind that is none": message({"eval": "1"}),
    "two kinds": message({"list": [], "tuple": []}),
    "class that is not registered": message({"dataclass": ["NotRegistered", {}]}),
    "class that is no class": message({"dataclass": ["eval", {}]}),
    "fields that are not there": message({"dataclass": ["Clip", {"other": 1}]}),
    "enumeration without that value": message({"enum": ["Outcome", "FINE"]}),
    "exception that ends the program": message({"exception": ["SystemExit", {"tuple": []}, {"list": []}]}),
    "function as an exception": message({"exception": ["exec", {"tuple": ["1"]}, {"list": []}]}),
    "bytes beyond the end": message({"bytes": [0, 10]}, b"short"),
    "bytes backwards": message({"bytes": [4, 2]}, b"short"),
    "array of objects": message({"array": ["|O", [1], 0, 8]}, b"12345678"),
    "array of another size": message({"array": ["<f4", [5], 0, 8]}, b"12345678"),
    "deep": struct.pack("<Q", 60000) + b'{"list":[' * 6000 + b" " * 6000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_messages_are_refused(kind):
    with pytest.raises(ValueError, match="holds no values"):
        plain.loads(HOSTILE[kind])


@given(st.binary(max_size=60))
def test_bytes_at_random_are_refused(data):
    with pytest.raises(ValueError, match="holds no values"):
        plain.loads(b"\xff" * 8 + data)
