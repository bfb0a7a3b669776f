"""Tiny folders of shards with known pixels: a fake clip has a bright square in the middle, a real one has not."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np

from deepfake_tf import manifest, records
from deepfake_tf.schema import FAKE, REAL, Clip, ClipSpec

SPEC = ClipSpec(num_frames=4, clips_per_video=2, crop_size_px=16)
INFO = SimpleNamespace(fps=25.0, width=640, height=360)


def make_crop(label: int, rng: np.random.Generator, size: int = 16) -> np.ndarray:
    """uint8 [size, size, 3]: grey noise, and for a fake a bright square."""
    crop = rng.integers(90, 130, (size, size, 3), dtype=np.uint8)
    if label == FAKE:
        crop[size // 4 : -size // 4, size // 4 : -size // 4] += 60
    return crop


def encode_jpeg(crop: np.ndarray, spec: ClipSpec = SPEC) -> bytes:
    return cv2.imencode(".jpg", crop[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, spec.jpeg_quality])[1].tobytes()


def make_clip(crops: list[np.ndarray], *, clip_id: str = "0/0", missing: tuple[int, ...] = ()) -> Clip:
    num_frames = len(crops)
    mask = np.array([number not in missing for number in range(num_frames)])
    blank = np.zeros_like(crops[0])
    return Clip(
        clip_id=clip_id,
        track_id=int(clip_id.split("/")[0]),
        crops=tuple(encode_jpeg(crop if there else blank) for crop, there in zip(crops, mask, strict=True)),
        mask=mask,
        timestamps_us=np.arange(num_frames, dtype=np.int64) * 40_000,
        frame_indices=np.arange(num_frames, dtype=np.int64),
        boxes_xyxy_px=np.zeros((num_frames, 4), np.float32),
        keypoints_crop_px=np.zeros((num_frames, 6, 2), np.float32),
        confidences=np.ones(num_frames, np.float32),
        sharpness=np.ones(num_frames, np.float32),
    )


def write_data(
    data_dir: Path,
    videos: dict[str, list[tuple[str, int | None]]],
    *,
    spec: ClipSpec = SPEC,
    seed: int = 0,
    refused: tuple[str, ...] = (),
    looks_of_label: bool = True,
    originals: Mapping[str, str] | None = None,
    groups: Mapping[str, str] | None = None,
    worn: Mapping[str, str] = {},
) -> Path:
    """Writes a finished folder of shards.

    Args:
        data_dir: made if it is not there.
        videos: by split, the video ids and labels; each video has two clips.
        spec: of the clips.
        seed: of the pixels.
        refused: video ids that gave no clips.
        looks_of_label: fakes have their square; otherwise all clips look real.
        originals: by the video id of a fake, that of its own real.
        groups: by video id; every other video has a group of its own.
        worn: by the video id of a fake, the group whose face it wears.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    entries, shards = [], {}
    for split, rows in videos.items():
        encoded = []
        for video_id, label in rows:
            entry = manifest.VideoEntry(
                video_id=video_id,
                path=data_dir / f"{video_id}.mp4",
                label=label,
                method="square" if label == FAKE else "",
                group=(groups or {}).get(video_id, f"group-{video_id}"),
                original_id=(originals or {}).get(video_id, ""),
                split=split,
                attributes={
                    "context": "indoors",
                    **({manifest.SOURCE_GROUP: worn[video_id]} if video_id in worn else {}),
                },
            )
            entries.append(entry)
            for number in range(0 if video_id in refused else 2):
                looks = label if looks_of_label and label is not None else REAL
                crops = [make_crop(looks, rng, spec.crop_size_px) for _ in range(spec.num_frames)]
                clip = make_clip(crops, clip_id=f"0/{number}", missing=(spec.num_frames - 1,) if number else ())
                encoded.append(records.encode_clip(clip, entry, spec, INFO))
        path = data_dir / f"{split}-00000-of-00001.tfrecord"
        records.write_shard(path, encoded)
        shards[split] = (records.ShardInfo(path.name, len(rows), len(encoded), path.stat().st_size, ""),)
    manifest.write_manifest(entries, data_dir / "manifest.csv")
    lines = [f"{video_id},{data_dir / video_id}.mp4,NO_FACE,no face was found" for video_id in refused]
    (data_dir / "failures.csv").write_text("\n".join(["video_id,path,outcome,reason", *lines, ""]))
    records.write_index(data_dir, records.DataIndex(spec=spec, shards=shards, num_failed=len(refused)))
    return data_dir


def both_classes(prefix: str, num_each: int) -> list[tuple[str, int | None]]:
    return [(f"{prefix}{number}", number % 2) for number in range(2 * num_each)]
