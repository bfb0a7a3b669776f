from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from deepfake_tf import splits
from deepfake_tf.errors import ConfigError, LeakError
from deepfake_tf.manifest import VideoEntry


def entry(video_id: str, label: int | None = 0, *identities: str, **values: str) -> VideoEntry:
    return VideoEntry(video_id, Path(f"/{video_id}.mp4"), label, identities=identities, **values)


def groups_of(entries: list[VideoEntry]) -> set[frozenset[str]]:
    found = defaultdict(set)
    for one in splits.assign_groups(entries):
        found[one.group].add(one.video_id)
    return {frozenset(names) for names in found.values()}


# FaceForensics++ in small: 000_003 shows 000 with the face of 003.
SWAPS = [
    entry("000", 0, "000"),
    entry("003", 0, "003"),
    entry("000_003", 1, "000", "003"),
    entry("005", 0, "005"),
    entry("005_010", 1, "005", "010"),
]


def test_a_fake_joins_target_and_source():
    assert groups_of(SWAPS) == {frozenset({"000", "003", "000_003"}), frozenset({"005", "005_010"})}


def test_group_is_named_after_its_first_identity():
    assert [one.group for one in splits.assign_groups(SWAPS)] == ["000", "000", "000", "005", "005"]


def test_original_and_equal_content_join():
    entries = [entry("a"), entry("b", 1, original_id="a"), entry("c", 1, sha256="11"), entry("d", 0, sha256="11")]
    assert groups_of(entries) == {frozenset({"a", "b"}), frozenset({"c", "d"})}


def test_two_fakes_of_an_original_that_is_not_there_join():
    assert groups_of([entry("b", 1, original_id="gone"), entry("c", 1, original_id="gone")]) == {frozenset({"b", "c"})}


def test_one_name_in_two_datasets_is_two_people():
    entries = [entry("x/1", 0, "id0", dataset="x"), entry("y/1", 0, "id0", dataset="y")]
    assert [one.group for one in splits.assign_groups(entries)] == ["x/id0", "y/id0"]


def test_unknown_identity_is_its_own_group():
    assert [one.group for one in splits.assign_groups([entry("a"), entry("b")])] == ["a", "b"]


LABELS = st.sampled_from([0, 1, None])
RANDOM_ENTRIES = st.lists(st.tuples(LABELS, st.lists(st.integers(0, 12), max_size=2)), min_size=1, max_size=40).map(
    lambda rows: [entry(str(n), label, *map(str, names)) for n, (label, names) in enumerate(rows)]
)


@hypothesis.given(RANDOM_ENTRIES, st.integers(0, 3))
@hypothesis.settings(deadline=None, max_examples=100)
def test_no_split_ever_leaks(entries, seed):
    found = splits.assign_splits(splits.assign_groups(entries), seed=seed)
    splits.check_no_leak(found)
    assert all((one.split == "") == (one.label is None) for one in found)
    # By brute force: two videos of two splits share no identity.
    for one in found:
        for other in found:
            if one.split and other.split and one.split != other.split:
                assert not set(one.identities) & set(other.identities)


@hypothesis.given(RANDOM_ENTRIES, st.randoms())
@hypothesis.settings(deadline=None, max_examples=50)
def test_order_of_rows_does_not_matter(entries, random):
    shuffled = random.sample(entries, len(entries))
    found = [splits.assign_splits(splits.assign_groups(rows)) for rows in (entries, shuffled)]
    assert {e.video_id: (e.group, e.split) for e in found[0]} == {e.video_id: (e.group, e.split) for e in found[1]}


@hypothesis.given(RANDOM_ENTRIES)
@hypothesis.settings(deadline=None, max_examples=100)
def test_train_has_both_labels_wherever_there_are_two(entries):
    found = splits.assign_splits(splits.assign_groups(entries))
    labels = {one.label for one in found} - {None}
    separate = {label: {one.group for one in found if one.label == label} for label in labels}
    if len(labels) == 2 and all(len(names) >= 6 for names in separate.values()):
        for split in ("train", "val", "test"):
            assert {one.label for one in found if one.split == split} == {0, 1}


def test_shares_are_kept_when_groups_are_small():
    entries = splits.assign_groups([entry(f"{label}{n}", label) for label in (0, 1) for n in range(100)])
    counts = Counter((one.split, one.label) for one in splits.assign_splits(entries, shares=(0.6, 0.3, 0.1)))
    assert counts == {
        ("train", 0): 60, ("train", 1): 60, ("val", 0): 30, ("val", 1): 30, ("test", 0): 10, ("test", 1): 10,
    }  # fmt: skip


def test_three_groups_of_each_label_reach_all_splits():
    entries = splits.assign_groups([entry(f"{label}{n}", label) for label in (0, 1) for n in range(3)])
    counts = Counter((one.split, one.label) for one in splits.assign_splits(entries))
    assert counts == {(split, label): 1 for split in ("train", "val", "test") for label in (0, 1)}


def test_another_seed_gives_other_splits():
    entries = splits.assign_groups([entry(str(n), n % 2) for n in range(40)])
    found = [tuple(one.split for one in splits.assign_splits(entries, seed=seed)) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


def test_share_of_nothing_gives_nothing():
    entries = splits.assign_groups([entry(str(n), n % 2) for n in range(8)])
    found = splits.assign_splits(entries, shares=(0.5, 0.5, 0))
    assert Counter(one.split for one in found) == {"train": 4, "val": 4}
    assert {one.split for one in splits.assign_splits(entries, shares=(0, 0, 1))} == {"test"}


@pytest.mark.parametrize("shares", [(0.7, 0.3), (0.7, 0.7, 0.7), (1.5, -0.5, 0)])
def test_wrong_shares_are_refused(shares):
    with pytest.raises(ConfigError, match="3 shares for train, val, test that add up to 1"):
        splits.assign_splits([], shares=shares)


def test_folds_hold_whole_groups_and_both_labels():
    entries = splits.assign_groups([entry(f"{n}{part}", n % 2, f"g{n}") for n in range(12) for part in "ab"])
    folds = splits.assign_folds(entries, num_folds=3)
    assert set(folds) == {one.video_id for one in entries}
    for n in range(12):
        assert folds[f"{n}a"] == folds[f"{n}b"]
    for fold in range(3):
        assert {one.label for one in entries if folds[one.video_id] == fold} == {0, 1}
        assert sum(one == fold for one in folds.values()) == 8


def test_more_folds_than_groups_are_refused():
    with pytest.raises(ConfigError, match="between 2 and the number of groups, 1. Received: 2"):
        splits.assign_folds(splits.assign_groups([entry("a"), entry("b", None)]), num_folds=2)


def test_leak_is_told_with_its_chain():
    entries = [replace(one, split=split) for one, split in zip(SWAPS[:3], ("train", "test", ""), strict=True)]
    with pytest.raises(LeakError) as caught:
        splits.check_no_leak(entries)
    assert "000 (train) - identity '000' - 000_003 (no split) - identity '003' - 003 (test)" in str(caught.value)


def test_shortest_chain_is_told():
    entries = [
        entry("a", 0, "1", split="train"),
        entry("b", 0, "1", "2", split="train"),
        entry("c", 0, "2", split="val"),
    ]
    assert splits.find_leak(entries) == "b (train) - identity '2' - c (val)"


@pytest.mark.parametrize(
    ("one", "other", "link"),
    [
        ({"sha256": "11"}, {"sha256": "11"}, "the same content"),
        ({"group": "g"}, {"group": "g"}, "group 'g'"),
        ({}, {"original_id": "a"}, "original 'a'"),
    ],
)
def test_every_kind_of_leak_is_found(one, other, link):
    entries = [entry("a", 0, split="train", **one), entry("b", 1, split="test", **other)]
    assert splits.find_leak(entries) == f"a (train) - {link} - b (test)"


# The lists of data sets ----------------------------------------------------------------------------------------------


def listed(video_id, split, *identities, dataset="d", **more):
    return entry(video_id, 0, *identities, split=split, dataset=dataset, attributes={"official_split": split}, **more)


def test_leak_inside_an_official_list_can_be_accepted():
    entries = [listed("a", "train", "1"), listed("b", "test", "1")]
    with pytest.raises(
        LeakError, match=r"data set's own splits .*a \(train\) - identity '1' - b .*--accept-official-leak"
    ):
        splits.check_no_leak(entries)
    splits.check_no_leak(entries, accept_official=True)


def test_leak_of_our_own_cannot_be_accepted():
    entries = [listed("a", "train", "1"), replace(listed("b", "test", "1"), attributes={"official_split": "train"})]
    with pytest.raises(LeakError, match="Two splits share a source"):
        splits.check_no_leak(entries, accept_official=True)


def test_lists_of_two_data_sets_that_disagree_are_our_own_leak():
    entries = [listed("a", "train", "x:1"), listed("b", "test", "x:1", dataset="e")]
    with pytest.raises(LeakError, match="Two splits share a source: a .* - identity 'x:1' - b"):
        splits.check_no_leak(entries, accept_official=True)


def test_own_leak_is_found_behind_an_accepted_one():
    entries = [listed("a", "train", "1"), listed("b", "test", "1", "2"), entry("c", 0, "2", split="val", dataset="d")]
    assert splits.find_leak(entries, accept_official=True) == "c (val) - identity '2' - b (test)"


def test_identity_with_a_colon_joins_across_data_sets():
    def num_groups(name):
        entries = [entry("a", 0, name, dataset="d"), entry("b", 0, name, dataset="e")]
        return len({one.group for one in splits.assign_groups(entries)})

    assert (num_groups("x:1"), num_groups("1")) == (1, 2)


def test_data_sets_without_lists_are_completed():
    entries = splits.assign_groups(
        [
            listed("l/train", "train", "x:1"),
            listed("l/test", "test", "x:2"),
            replace(entry("l/none", 0, "3"), dataset="d"),
            entry("o/1", 1, "x:1", dataset="o"),
            entry("o/2", 1, "x:2", dataset="o"),
            entry("o/both", 1, "x:4", "x:5", dataset="o"),
            entry("o/unlabelled", None, "x:1", dataset="o"),
            listed("l/4", "train", "x:4"),
            listed("l/5", "test", "x:5"),
            *[entry(f"o/free{n}", n % 2, f"f{n}", dataset="o") for n in range(40)],
        ]
    )
    found = {one.video_id: one.split for one in splits.complete_splits(entries, shares=(0.5, 0, 0.5))}
    assert {name: found[name] for name in ("l/train", "l/test", "l/none")} == {
        "l/train": "train", "l/test": "test", "l/none": ""
    }  # fmt: skip
    assert {name: found[name] for name in ("o/1", "o/2", "o/both", "o/unlabelled")} == {
        "o/1": "train", "o/2": "test", "o/both": "", "o/unlabelled": ""
    }  # fmt: skip
    assert Counter(split for name, split in found.items() if "free" in name) == {"train": 20, "test": 20}
