"""Splits by group: what shares a person, an original or the same content stays together; a leak is refused.

A group is a connected component of videos, where two are joined if they share an identity, if one is the other's
original, or if their files are equal.
"""

import dataclasses
import hashlib
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence

from deepfake_tf.errors import ConfigError, LeakError
from deepfake_tf.manifest import OFFICIAL_SPLIT, VideoEntry
from deepfake_tf.schema import FAKE, REAL, SPLITS

DEFAULT_SHARES = (0.7, 0.15, 0.15)

Link = tuple[str, ...]
"""What two videos may share: its kind first."""
Side = tuple[str, str]
"""A split, and the data set whose list says so, if one does."""

# Which split is given both labels first, when there are too few groups for all.
_FIRST_TO_FILL = (SPLITS.index("train"), SPLITS.index("test"), SPLITS.index("val"))


# Groups -------------------------------------------------------------------------------------------------------------


def assign_groups(entries: Sequence[VideoEntry]) -> list[VideoEntry]:
    """Returns the entries with their groups: connected components of identities, originals and equal contents.

    A group is named after the first of its identities in order of the alphabet, or of its video_ids if it has none.
    """
    components = _components([_links(entry) for entry in entries])
    members: dict[int, list[VideoEntry]] = defaultdict(list)
    for entry, component in zip(entries, components, strict=True):
        members[component].append(entry)
    names = _group_names(members)
    return [dataclasses.replace(entry, group=names[one]) for entry, one in zip(entries, components, strict=True)]


def _group_names(members: Mapping[int, Sequence[VideoEntry]]) -> dict[int, str]:
    # One name may stand for different people in two datasets: then the dataset goes in front.
    named = {
        one: min(((name, e.dataset) for e in group for name in e.identities), default=None)
        for one, group in members.items()
    }
    uses = Counter(found[0] for found in named.values() if found)
    names = {}
    for one, found in named.items():
        if found is None:
            names[one] = min(entry.video_id for entry in members[one])
        else:
            name, dataset = found
            names[one] = name if uses[name] == 1 else f"{dataset}/{name}"
    return names


def _links(entry: VideoEntry) -> list[Link]:
    # A name with a colon, such as "faceforensics:000", says itself where it comes from.
    links: list[Link] = [("identity", name, "" if ":" in name else entry.dataset) for name in entry.identities]
    links += [("video", name) for name in (entry.video_id, entry.original_id) if name]
    if entry.sha256:
        links.append(("content", entry.sha256))
    return links


def _components(links: Sequence[Iterable[Link]]) -> list[int]:
    """The number of each video's component: the first video in it."""
    parent = list(range(len(links)))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    first: dict[Link, int] = {}
    for number, ours in enumerate(links):
        for link in ours:
            one, other = sorted((root(number), root(first.setdefault(link, number))))
            parent[other] = one
    return [root(number) for number in range(len(links))]


# Splits -------------------------------------------------------------------------------------------------------------


def assign_splits(
    entries: Sequence[VideoEntry], *, shares: Sequence[float] = DEFAULT_SHARES, seed: int = 0
) -> list[VideoEntry]:
    """Returns the entries with their splits: whole groups, so that each split has its share of both labels.

    Unlabelled videos get no split. The same entries and seed give the same splits, in whatever order they come. Where
    there are groups enough, every split has both labels; train comes first, then test.

    Args:
        entries: with groups, as `assign_groups` returns them.
        shares: of train, val and test, adding up to 1; 0 for a split that is not wanted.
        seed: another seed gives other splits.

    Raises:
        ConfigError: the shares are no shares.
    """
    if len(shares) != len(SPLITS) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        expected = f"{len(SPLITS)} shares for {', '.join(SPLITS)} that add up to 1"
        raise ConfigError(f"Expected {expected}, such as 0.7,0.15,0.15. Received: {','.join(map(str, shares))}")
    bins = _deal(entries, shares, seed, order=[one for one in _FIRST_TO_FILL if shares[one] > 0])
    return [
        dataclasses.replace(entry, split="" if entry.label is None else SPLITS[bins[entry.group]]) for entry in entries
    ]


def complete_splits(
    entries: Sequence[VideoEntry], *, shares: Sequence[float] = DEFAULT_SHARES, seed: int = 0
) -> list[VideoEntry]:
    """Returns the entries with splits for the data sets that have none of their own, beside those that have.

    What shares a group with one split of another data set goes there; with several, it gets none. All else is assigned
    as `assign_splits` does. The videos of a data set with splits keep what they have, even if it is nothing.

    Args:
        entries: with groups, and with the splits that are given.
        shares: of train, val and test among what is assigned.
        seed: another seed gives other splits.
    """
    given: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        if entry.split:
            given[entry.group].add(entry.split)
    has_splits = {entry.dataset for entry in entries if entry.split}
    free = [entry for entry in entries if entry.dataset not in has_splits and entry.group not in given]
    assigned = {entry.video_id: entry.split for entry in assign_splits(free, shares=shares, seed=seed)}

    def split_of(entry: VideoEntry) -> str:
        if entry.dataset in has_splits or entry.label is None:
            return entry.split
        if entry.video_id in assigned:
            return assigned[entry.video_id]
        one, *others = given[entry.group]
        return "" if others else one

    return [dataclasses.replace(entry, split=split_of(entry)) for entry in entries]


def assign_folds(entries: Sequence[VideoEntry], *, num_folds: int, seed: int = 0) -> dict[str, int]:
    """Returns the fold, 0 to num_folds - 1, of each labelled video by its video_id: whole groups, both labels in each.

    Args:
        entries: with groups.
        num_folds: 2 or more.
        seed: another seed gives other folds.

    Raises:
        ConfigError: there are fewer groups than folds.
    """
    labelled = [entry for entry in entries if entry.label is not None]
    num_groups = len({entry.group for entry in labelled})
    if not 2 <= num_folds <= num_groups:
        raise ConfigError(f"num_folds must lie between 2 and the number of groups, {num_groups}. Received: {num_folds}")
    bins = _deal(labelled, [1 / num_folds] * num_folds, seed, order=range(num_folds))
    return {entry.video_id: bins[entry.group] for entry in labelled}


def _deal(entries: Sequence[VideoEntry], shares: Sequence[float], seed: int, *, order: Sequence[int]) -> dict[str, int]:
    """Deals groups into bins, the largest first, each to the bin that misses most of what it has."""
    sizes: dict[str, Counter[int]] = defaultdict(Counter)
    for entry in entries:
        if entry.label is not None:
            sizes[entry.group][entry.label] += 1
    totals = {label: max(1, sum(size[label] for size in sizes.values())) for label in (REAL, FAKE)}
    held: list[Counter[int]] = [Counter() for _ in shares]
    bins = {}
    for group in sorted(sizes, key=lambda name: (-sizes[name].total(), _draw(seed, name))):
        # The growth of the squared distance from the wanted number, label by label, as shares of all videos.
        growth = {
            one: sum(
                size * (size + 2 * (held[one][label] - shares[one] * totals[label])) / totals[label] ** 2
                for label, size in sizes[group].items()
            )
            for one in order
        }
        bins[group] = min(order, key=lambda one: growth[one])
        held[bins[group]].update(sizes[group])
    _fill_missing_labels(bins, sizes, order)
    return bins


def _fill_missing_labels(bins: dict[str, int], sizes: Mapping[str, Counter[int]], order: Sequence[int]) -> None:
    """Moves a small group to each bin that lacks a label, from a bin that can spare it."""
    for one in order:
        for label in (REAL, FAKE):
            if any(bins[group] == one and size[label] for group, size in sizes.items()):
                continue
            spare = [group for group in sizes if sizes[group][label] and _can_spare(group, bins, sizes)]
            if spare:
                bins[min(spare, key=lambda name: (sizes[name].total(), name))] = one


def _can_spare(group: str, bins: Mapping[str, int], sizes: Mapping[str, Counter[int]]) -> bool:
    others = [name for name in bins if bins[name] == bins[group] and name != group]
    return all(any(sizes[name][label] for name in others) for label in sizes[group])


def _draw(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()


# Leaks --------------------------------------------------------------------------------------------------------------


def check_no_leak(entries: Sequence[VideoEntry], *, accept_official: bool = False) -> None:
    """Checks that no two splits share a group, an identity, an original or a file.

    Args:
        entries: with their splits.
        accept_official: whether a leak inside the official lists of one data set is let through.

    Raises:
        LeakError: they do; the message names the chain from one video to the other.
    """
    chain = find_leak(entries, accept_official=True)
    if chain:
        raise LeakError(
            f"Two splits share a source: {chain}. Splits must be by group: have them assigned anew "
            "(pipelines.manifest --split-by group), or mend the manifest."
        )
    chain = "" if accept_official else find_leak(entries)
    if chain:
        raise LeakError(
            f"The data set's own splits share a source: {chain}. Say --accept-official-leak to keep them as they are, "
            "or have splits assigned anew (pipelines.manifest --split-by group)."
        )


def find_leak(entries: Sequence[VideoEntry], *, accept_official: bool = False) -> str:
    """Returns the shortest chain from one split to another, as text, or nothing if there is no leak.

    Args:
        entries: with their splits.
        accept_official: whether chains between two videos whose splits are from the same data set's lists do not count.
    """
    links = [_links(entry) + ([("group", entry.group)] if entry.group else []) for entry in entries]
    sides = [(entry.split, _list_of(entry) if accept_official else "") for entry in entries]
    starts = sorted({side for side in sides if side[0]}, key=lambda side: (SPLITS.index(side[0]), side[1]))
    chains = [chain for side in starts if (chain := _chain_from(side, sides, links))]
    return _describe(min(chains, key=len), entries) if chains else ""


def _list_of(entry: VideoEntry) -> str:
    """The data set whose list gives a video the split that it has."""
    return entry.dataset if entry.split and entry.attributes.get(OFFICIAL_SPLIT) == entry.split else ""


def _chain_from(side: Side, sides: Sequence[Side], links: Sequence[Sequence[Link]]) -> list[int | Link]:
    """The shortest way from a video of one side to one that it may not share with: video, link, video, ..."""
    sharers: dict[Link, list[int]] = defaultdict(list)
    for number, ours in enumerate(links):
        for link in ours:
            sharers[link].append(number)
    came_from: dict[int | Link, int | Link | None] = {number: None for number, one in enumerate(sides) if one == side}
    todo: deque[int] = deque(number for number in came_from if isinstance(number, int))
    while todo:
        number = todo.popleft()
        split, official = sides[number]
        if split not in ("", side[0]) and not (official and official == side[1]):
            return _way_back(number, came_from)
        for link in links[number]:
            if link not in came_from:
                came_from[link] = number
                for other in sharers[link]:
                    if other not in came_from:
                        came_from[other] = link
                        todo.append(other)
    return []


def _way_back(end: int, came_from: Mapping[int | Link, int | Link | None]) -> list[int | Link]:
    way: list[int | Link] = []
    step: int | Link | None = end
    while step is not None:
        way.append(step)
        step = came_from[step]
    return way[::-1]


def _describe(chain: Sequence[int | Link], entries: Sequence[VideoEntry]) -> str:
    words = []
    for step in chain:
        if isinstance(step, int):
            words.append(f"{entries[step].video_id} ({entries[step].split or 'no split'})")
        elif step[0] == "content":
            words.append("the same content")
        else:
            words.append({"video": "original"}.get(step[0], step[0]) + f" {step[1]!r}")
    return " - ".join(words)
