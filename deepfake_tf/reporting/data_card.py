"""What a report says of the data: where the videos are from, how they are split, and whether any is in two splits.

A leak makes every score worthless, so the report looks for it again, in the manifest that the clips came with, and in
that of the training if that was another.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepfake_tf import splits
from deepfake_tf.errors import DeepfakeError
from deepfake_tf.manifest import VideoEntry, label_word, read_manifest
from deepfake_tf.records import read_index
from deepfake_tf.schema import SPLITS

_NAMED = 3
"""So many are named of what is found; the rest is counted."""


def describe(entries: Sequence[VideoEntry], split: str, training: Sequence[VideoEntry] | None) -> dict[str, Any]:
    """Describes the videos that a model was tested on.

    Args:
        entries: the manifest of the clips.
        split: whose videos were scored.
        training: the manifest of the training; None if it is not known.

    Returns:
        "sources" and "splits" (rows of counts), "leak" (a sentence, empty if there is none), "duplicates" and
        "overlap" (sentences).
    """
    return {
        "sources": _count(entries, lambda one: one.dataset or "not named"),
        "splits": _count(entries, lambda one: one.split or "none", order=[*SPLITS, "none"]),
        "leak": splits.find_leak(entries),
        "duplicates": _duplicates(entries),
        "overlap": _overlap([one for one in entries if one.split == split], training),
    }


def training_entries(run: Mapping[str, Any]) -> list[VideoEntry] | None:
    """Returns the manifest of a run's training data, None if it is no longer there.

    Args:
        run: what run.json holds.
    """
    folder = Path(run.get("data", {}).get("path", ""))
    try:
        if read_index(folder).fingerprint() != run["data"]["fingerprint"]:
            return None
        return read_manifest(folder / "manifest.csv")
    except (DeepfakeError, OSError, KeyError):
        return None


def _count(entries: Sequence[VideoEntry], value_of: Any, order: Sequence[str] = ()) -> list[dict[str, Any]]:
    by_value: dict[str, list[VideoEntry]] = defaultdict(list)
    for one in entries:
        by_value[value_of(one)].append(one)
    rows = []
    for value in sorted(by_value, key=lambda name: (list(order).index(name) if name in order else -1, name)):
        own = by_value[value]
        words = Counter(label_word(one) for one in own)
        methods = sorted({one.method for one in own if one.method})
        rows.append(
            {
                "value": value,
                "num_real": words["real"],
                "num_fake": words["fake"],
                "num_other": len(own) - words["real"] - words["fake"],
                "num_groups": len({one.group for one in own if one.group}),
                "methods": methods,
            }
        )
    return rows


def _duplicates(entries: Sequence[VideoEntry]) -> str:
    by_hash: dict[str, list[VideoEntry]] = defaultdict(list)
    for one in entries:
        by_hash[one.sha256].append(one)
    num_unknown = len(by_hash.pop("", []))
    if num_unknown == len(entries):
        return "Not looked for: the manifest has no checksums of the files."
    twice = [own for own in by_hash.values() if len(own) > 1]
    unknown = f" {num_unknown} files without a checksum were not compared." if num_unknown else ""
    if not twice:
        return f"None: no two files are equal, byte by byte.{unknown} The same footage stored twice was not looked for."
    split_apart = sum(len({one.split for one in own}) > 1 for own in twice)
    both_labels = sum(len({one.label for one in own}) > 1 for own in twice)
    named = "; ".join(" = ".join(one.video_id for one in own) for own in twice[:_NAMED])
    return (
        f"{len(twice)} files are there more than once, {split_apart} of them in more than one split, {both_labels} "
        f"with more than one label: {named}{' ...' if len(twice) > _NAMED else ''}.{unknown}"
    )


def _overlap(scored: Sequence[VideoEntry], training: Sequence[VideoEntry] | None) -> str:
    """Whether what was scored was also learned from."""
    if training is None:
        return "Not looked for: the training data are no longer where the run says, or were made anew."
    learned = [one for one in training if one.split in ("train", "val")]
    files = {one.sha256 for one in learned if one.sha256}
    people = {(one.dataset, name) for one in learned for name in one.identities}
    same_files = [one.video_id for one in scored if one.sha256 in files]
    same_people = [one.video_id for one in scored if any((one.dataset, name) in people for name in one.identities)]
    if not same_files and not same_people:
        unknown = "" if any(one.identities for one in scored) else " (people are not named in the manifest)"
        return f"None: no file and no person of the scored videos is among those learned from or chosen by{unknown}."
    return (
        f"{len(same_files)} of {len(scored)} scored videos are files that were learned from or chosen by, and "
        f"{len(same_people)} show a person that was: {', '.join([*same_files, *same_people][:_NAMED])}. The scores are "
        "too good."
    )
