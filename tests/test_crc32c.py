import hypothesis
import pytest
from hypothesis import strategies as st

from deepfake_tf.crc32c import crc32c, masked_crc32c


def slow_crc32c(data: bytes) -> int:
    """The definition, bit by bit."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


# RFC 3720, appendix B.4, and the check value of every catalogue of checksums.
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"", 0),
    ],
)
def test_known_values(data, expected):
    assert crc32c(data) == expected


@hypothesis.given(st.binary(max_size=40) | st.integers(500, 1100).flatmap(lambda n: st.binary(min_size=n, max_size=n)))
@hypothesis.settings(deadline=None, max_examples=60)
def test_equals_the_definition(data):
    assert crc32c(data) == slow_crc32c(data)


@pytest.mark.parametrize("size", [3, 4, 511, 512, 513, 516, 1024])
def test_lengths_around_a_block(size):
    data = bytes(i * 7 % 256 for i in range(size))
    assert crc32c(data) == slow_crc32c(data)


def test_mask_rotates_and_shifts():
    # By hand: 0xE3069283 rotated right by 15 bits is 0x2507C60D.
    assert masked_crc32c(b"123456789") == (0x2507C60D + 0xA282EAD8) % 2**32
