"""The other side of input_pipeline.py: a PyTorch DataLoader that does the same work, in a Python of its own.

It is started with the folder of JPEG files' list and asked over stdin: "<work> <batches to skip> <batches to time>".
Needs torch, numpy, opencv and albumentations, and for the work "ours" this repository on its path.
"""

import json
import os
import pickle
import sys
import time
from pathlib import Path

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations
import cv2
import numpy as np
import torch


def article():
    """The article's list as Albumentations' own pipeline."""
    strength = (10**0.5 / 255, 50**0.5 / 255)
    return albumentations.Compose(
        [
            albumentations.RandomRotate90(p=0.2),
            albumentations.Transpose(p=0.2),
            albumentations.HorizontalFlip(p=0.5),
            albumentations.VerticalFlip(p=0.5),
            albumentations.OneOf([albumentations.GaussNoise(std_range=strength, p=1)], p=0.2),
            albumentations.Affine(
                translate_percent=(-0.0625, 0.0625),
                scale=(0.9, 1.1),
                rotate=(-45, 45),
                border_mode=cv2.BORDER_REFLECT_101,
                p=0.2,
            ),
            albumentations.OneOf(
                [
                    albumentations.CLAHE(clip_limit=(1, 2), p=1),
                    albumentations.Sharpen(p=1),
                    albumentations.Emboss(p=1),
                    albumentations.RandomBrightnessContrast(p=1),
                ],
                p=0.2,
            ),
            albumentations.HueSaturationValue(p=0.2),
        ]
    )


class Clips(torch.utils.data.Dataset):
    """Endless clips; what is done with each depends on `work`."""

    def __init__(self, jpegs: list[list[bytes]], work: str) -> None:
        self._jpegs, self._work = jpegs, work
        self._transform = article() if work in ("clip", "frames") else None

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, index: int) -> torch.Tensor:
        jpegs = self._jpegs[index % len(self._jpegs)]
        frames = [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR_RGB) for one in jpegs]
        if self._work == "frames":
            return torch.from_numpy(np.stack([self._transform(image=one)["image"] for one in frames]))
        clip = np.stack(frames)
        if self._work == "clip":
            clip = self._transform(images=clip)["images"]
        elif self._work == "ours":
            from deepfake_tf import augment, recipes

            clip = augment.apply(recipes.load_ops("article"), clip, index)
        return torch.from_numpy(np.ascontiguousarray(clip))


def start_worker(number: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def cpu_sec(pids: list[int]) -> float:
    """Processor time of these processes and of this one."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK") + time.process_time()


def main() -> None:
    jpegs = pickle.loads(Path(sys.argv[1]).read_bytes())
    batch_size, num_workers = int(sys.argv[2]), int(sys.argv[3])
    iterators = {}
    print(json.dumps({"torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        work, num_skipped, num_timed = line.split()
        if work not in iterators:
            loader = torch.utils.data.DataLoader(
                Clips(jpegs, work), batch_size=batch_size, num_workers=num_workers, worker_init_fn=start_worker
            )
            iterators[work] = iter(loader)
        iterator = iterators[work]
        pids = [one.pid for one in iterator._workers]
        for _ in range(int(num_skipped)):
            next(iterator)
        begin, cpu_begin = time.perf_counter(), cpu_sec(pids)
        for _ in range(int(num_timed)):
            next(iterator)
        answer = {"wall_sec": time.perf_counter() - begin, "cpu_sec": cpu_sec(pids) - cpu_begin}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
