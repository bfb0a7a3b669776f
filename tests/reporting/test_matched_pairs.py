"""Which videos have their pair: by the manifest's word for it, or by the group."""

from deepfake_tf.batching.clip_table import list_clips
from deepfake_tf.reporting.matched_pairs import pair_words
from deepfake_tf.schema import FAKE, REAL
from tests.clips_of_squares import write_data

# One group of two scenes, of which the manifest knows which fake was made from which; a pair known by its group; a fake
# whose original is not among the clips, and a real of nobody's.
VIDEOS = [
    *(("scene-1", REAL), ("scene-1-swap", FAKE), ("scene-2", REAL), ("scene-2-lost", FAKE)),
    *(("pair", REAL), ("pair-swap", FAKE), ("far", REAL), ("far-swap", FAKE)),
]
GROUPS = {
    **dict.fromkeys(("scene-1", "scene-1-swap", "scene-2"), "scenes"),
    **dict.fromkeys(("pair", "pair-swap"), "pair"),
}
ORIGINALS = {"scene-1-swap": "scene-1", "scene-2-lost": "scene-3"}


def test_a_fake_and_its_own_real_are_a_pair(tmp_path):
    data = write_data(tmp_path / "data", {"test": VIDEOS}, originals=ORIGINALS, groups=GROUPS)
    words = pair_words(list_clips(data, ["test"]))
    matched = {"scene-1", "scene-1-swap", "pair", "pair-swap"}
    assert words == {name: "matched" if name in matched else "alone" for name, _ in VIDEOS}
