"""Which clips are drawn, on tables without pixels."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepfake_tf.batching.sampling import NO_PARTNER, Sampler, Sampling, find_own_reals, worker_part
from deepfake_tf.errors import ConfigError, DataError


def make_table(rows):
    """A table of (video id, label, other columns); two clips a video."""
    rows = [(video, label, columns, number) for video, label, columns in rows for number in (0, 1)]

    def column(name, default=""):
        return tuple(columns.get(name, default) for _, _, columns, _ in rows)

    return SimpleNamespace(
        video_ids=tuple(video for video, *_ in rows),
        example_ids=tuple(f"{video}/0/{number}" for video, _, _, number in rows),
        labels=np.array([label for _, label, *_ in rows], np.int64),
        groups=column("group"),
        methods=column("method"),
        datasets=column("dataset"),
        original_ids=column("original_id"),
        num_batches=lambda batch_size: -(-len(rows) // batch_size),
        __len__=lambda: len(rows),
        num_rows=len(rows),
    )


class Table(SimpleNamespace):
    def __len__(self):
        return self.num_rows


def table_of(rows):
    return Table(**vars(make_table(rows)))


@pytest.fixture
def table():
    """10 reals; 4 fakes by "swap", each with its real; 1 by "mask" without one."""
    reals = [(f"r{n}", 0, {"group": f"g{n}", "dataset": "A" if n < 8 else "B"}) for n in range(10)]
    swaps = [
        (f"f{n}", 1, {"group": f"g{n}", "method": "swap", "original_id": f"r{n}", "dataset": "A"}) for n in range(4)
    ]
    return table_of([*reals, *swaps, ("alone", 1, {"group": "elsewhere", "method": "mask", "dataset": "B"})])


def epochs(table, count=3, **options):
    sampler = Sampler(table, Sampling(**{"batch_size": 6, "seed": 7} | options))
    return [sampler.epoch(number) for number in range(count)]


def test_without_balance_every_clip_comes_once_an_epoch_in_a_new_order(table):
    first, second, _ = epochs(table)
    assert sorted(first.rows) == sorted(second.rows) == list(range(30))
    assert (first.rows != second.rows).any()
    np.testing.assert_array_equal(first.labels, table.labels[first.rows])


@pytest.mark.parametrize("balance", ["class", "method", "group", "pairs"])
def test_half_of_every_batch_is_fake(table, balance):
    for draws in epochs(table, balance=balance):
        assert len(draws) == 30
        labels = draws.labels.reshape(-1, 6)
        np.testing.assert_array_equal(labels.sum(axis=1), 3)
        np.testing.assert_array_equal(table.labels[draws.rows], draws.labels)


@settings(max_examples=30, deadline=None)
@given(
    num_reals=st.integers(1, 30), num_fakes=st.integers(1, 30), batch_size=st.integers(2, 9), seed=st.integers(0, 99)
)
def test_no_clip_is_drawn_twice_before_all_others_were(num_reals, num_fakes, batch_size, seed):
    table = table_of([*((f"r{n}", 0, {}) for n in range(num_reals)), *((f"f{n}", 1, {}) for n in range(num_fakes))])
    drawn = epochs(table, count=4, balance="class", batch_size=batch_size, seed=seed)
    for label in (0, 1):
        rows = np.concatenate([draws.rows[draws.labels == label] for draws in drawn])
        counts = Counter(rows.tolist())
        of_label = np.flatnonzero(table.labels == label).tolist()
        assert set(counts) <= set(of_label)
        times = [counts.get(row, 0) for row in of_label]
        assert max(times) - min(times) <= 1


@settings(max_examples=30, deadline=None)
@given(num_each=st.integers(1, 20), share=st.floats(0.01, 0.99), batch_size=st.integers(2, 9))
def test_no_clip_is_drawn_twice_too_early_beside_self_blended_ones(num_each, share, batch_size):
    table = table_of([(f"{kind}{n}", label, {}) for n in range(num_each) for label, kind in enumerate("rf")])
    drawn = epochs(table, count=5, balance="class", batch_size=batch_size, blended_share=share)
    for label, wanted in ((1, False), (0, True)):
        rows = np.concatenate([draws.rows[(draws.labels == 1) & (draws.blended == wanted)] for draws in drawn])
        counts = Counter(rows.tolist())
        times = [counts.get(row, 0) for row in np.flatnonzero(table.labels == label).tolist()]
        assert max(times) - min(times) <= 1


def test_methods_come_equally_often(table):
    rows = np.concatenate([draws.rows[draws.labels == 1] for draws in epochs(table, count=4, balance="method")])
    methods = Counter(table.methods[row] for row in rows)
    assert methods == {"swap": 30, "mask": 30}


def test_groups_come_equally_often(table):
    rows = np.concatenate([draws.rows[draws.labels == 0] for draws in epochs(table, count=4, balance="group")])
    groups = Counter(table.groups[row] for row in rows)
    assert set(groups.values()) == {6}
    assert len(groups) == 10


def test_data_sets_are_mixed_by_weight(table):
    drawn = epochs(table, count=10, balance="class", dataset_weights={"A": 1, "B": 3})
    for label in (0, 1):
        rows = np.concatenate([draws.rows[draws.labels == label] for draws in drawn])
        share = np.mean([table.datasets[row] == "B" for row in rows])
        assert share == pytest.approx(0.75, abs=0.02)


def test_a_data_set_without_weight_is_left_out(table):
    drawn = epochs(table, balance="class", dataset_weights={"A": 1})
    assert {table.datasets[row] for draws in drawn for row in draws.rows} == {"A"}


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("balance", ["class", "pairs"])
def test_a_fixed_share_of_the_fakes_is_self_blended_from_reals(table, balance, share):
    for draws in epochs(table, balance=balance, blended_share=share):
        assert draws.blended[draws.labels == 1].mean() == pytest.approx(share, abs=0.07)
        assert not draws.blended[draws.labels == 0].any()
        np.testing.assert_array_equal(table.labels[draws.rows[draws.blended]], 0)


def test_reals_alone_are_enough_if_all_fakes_are_self_blended():
    reals = table_of([(f"r{n}", 0, {}) for n in range(5)])
    draws = Sampler(reals, Sampling(balance="class", blended_share=1.0, batch_size=4)).epoch(0)
    assert draws.labels.mean() == 0.5
    with pytest.raises(DataError, match="No fake clips"):
        Sampler(reals, Sampling(balance="class", blended_share=0.5))


def test_pairs_are_a_fake_and_its_own_real_with_one_seed(table):
    for draws in epochs(table, balance="pairs", blended_share=0.3):
        reals, fakes = draws.rows[::2], draws.rows[1::2]
        np.testing.assert_array_equal(draws.seeds[::2], draws.seeds[1::2])
        assert len(set(draws.seeds.tolist())) == len(reals)
        for real, fake, blended in zip(reals, fakes, draws.blended[1::2], strict=True):
            if blended:
                assert real == fake
            elif table.original_ids[fake]:
                # The clip cut at the same place of the video it was made from.
                assert table.example_ids[real] == table.example_ids[fake].replace(
                    table.video_ids[fake], f"r{fake // 2 - 10}"
                )


def test_own_reals_come_from_the_original_or_else_from_the_group(table):
    own = find_own_reals(table)
    by_name = {table.example_ids[row]: [table.example_ids[one] for one in reals] for row, reals in own.items()}
    assert by_name["f2/0/1"] == ["r2/0/1"]
    assert by_name["alone/0/0"] == []
    grouped = table_of([("r", 0, {"group": "g"}), ("f", 1, {"group": "g"}), ("x", 1, {"group": ""})])
    assert [one.tolist() for one in find_own_reals(grouped).values()] == [[0], [1], [], []]


def test_mixing_takes_the_own_real_and_moves_the_label(table):
    shares = []
    for draws in epochs(table, count=10, balance="pairs", mixed_share=0.5):
        mixed = draws.partners != NO_PARTNER
        assert not mixed[::2].any()
        np.testing.assert_array_equal(draws.partners[mixed], draws.rows[np.flatnonzero(mixed) - 1])
        np.testing.assert_allclose(draws.labels[mixed], 1 - draws.shares[mixed])
        assert (draws.shares[~mixed] == 0).all()
        assert not any(table.video_ids[row] == "alone" for row in draws.rows[mixed])
        shares.append(mixed[1::2].mean())
    # A fifth of the fakes drawn have no real of their own.
    assert np.mean(shares) == pytest.approx(0.4, abs=0.12)


def test_one_seed_gives_one_plan_and_no_epoch_depends_on_another(table):
    options = {"balance": "pairs", "blended_share": 0.4, "mixed_share": 0.5}
    drawn, again = epochs(table, **options), epochs(table, **options)
    alone = Sampler(table, Sampling(batch_size=6, seed=7, **options)).epoch(2)
    other = epochs(table, seed=8, **options)
    for name in ("rows", "blended", "partners", "shares", "labels", "seeds"):
        for one, two in zip(drawn, again, strict=True):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
        np.testing.assert_array_equal(getattr(drawn[2], name), getattr(alone, name))
    assert (drawn[0].rows != other[0].rows).any()


@pytest.mark.parametrize("balance", ["none", "pairs"])
def test_the_workers_batches_side_by_side_are_the_whole_batch(table, balance):
    draws = Sampler(table, Sampling(batch_size=8, balance=balance)).epoch(1)
    parts = [worker_part(draws, 8, worker, 2).rows.reshape(-1, 4) for worker in range(2)]
    joined = np.concatenate(parts, axis=1).ravel()
    np.testing.assert_array_equal(joined[: len(draws)], draws.rows)
    assert len(joined) == 32
    np.testing.assert_array_equal(joined[len(draws) :], draws.rows[: 32 - len(draws)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"balance": "even"}, "balance must be one of none, class"),
        ({"balance": "pairs", "batch_size": 5}, "even for pairs"),
        ({"balance": "class", "blended_share": 1.5}, "blended_share must lie"),
        ({"blended_share": 0.5}, 'need a balance other than "none"'),
        ({"balance": "class", "mixed_share": 0.5}, 'mixed_share needs balance "pairs"'),
        ({"balance": "class", "dataset_weights": {"A": -1}}, "must be 0 or more"),
        ({"recipe": "basics"}, "Did you mean 'basic'"),
    ],
)
def test_nonsense_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Sampling(**options)


def test_a_data_set_that_is_not_there_is_named(table):
    with pytest.raises(DataError, match="one of the data sets C"):
        Sampler(table, Sampling(balance="class", dataset_weights={"C": 1}))
