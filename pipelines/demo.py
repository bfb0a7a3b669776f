"""The whole path in one command, on videos that it makes itself or on your own: python -m pipelines.demo.

Videos, manifest, clips, tuning, training, evaluation, export, a model server and a gateway, and the verdicts of the
gateway on the held-out videos. Stages that are finished are found finished: the same command goes on where it stopped.
"""

import argparse
import contextlib
import dataclasses
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deepfake_tf import atomic, command
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.learning.settings import TrainSettings
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.schema import FAKE, LABEL_NAMES, MODEL_NAME, REAL, SPLITS, ClipSpec
from deepfake_tf.searching.search_settings import Between, SearchSettings
from deepfake_tf.stages import Stages, log_of_libraries

if TYPE_CHECKING:
    from serving.judged import Judged

NUM_REAL = NUM_FAKE = 96
# A larger test split than the library's default: the demo is there to show held-out verdicts.
SHARES = (0.55, 0.15, 0.30)
# Few small frames, so that two cores train in minutes.
SPEC = ClipSpec(num_frames=4, clips_per_video=4, crop_size_px=112, margin=0.1)
SEARCH = SearchSettings(
    tuner="random",
    max_trials=2,
    heads=("lstm", "mean"),
    recipes=("fine",),
    space={
        "batch_size": (8,),
        "learning_rate": Between(1e-3, 3e-3),
        "loss": ("cross_entropy",),
        "label_smoothing": (0.0,),
        "small_cnn.width": (8, 12),
        "small_cnn.depth": (4,),
        "small_cnn.dropout": (0.0,),
        "lstm.units": (32,),
        "lstm.dropout": (0.2,),
    },
)
SEARCH_SEED = 9
"""A seed whose two trials differ in their head and are small networks, which two cores train in minutes."""
TRIAL_EPOCHS, EPOCHS, PATIENCE = 3, 9, 4


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Runs the whole path, from videos to verdicts served over gRPC, and prints what it made. "
        "A demo that was stopped goes on where it was."
    )
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for everything that is made")
    own = parser.add_mutually_exclusive_group()
    own.add_argument("--videos", type=Path, metavar="FOLDER", help="your own videos, in FOLDER/real and FOLDER/fake")
    own.add_argument("--manifest", type=Path, metavar="FILE", help="your own videos, as a manifest or a CSV table")
    parser.add_argument(
        "--group-regex", help="with --videos: finds the people in a video's path, see pipelines.manifest"
    )
    parser.add_argument(
        "--where",
        action="append",
        metavar="COLUMN=VALUE",
        help="with --manifest: only such rows, see pipelines.manifest",
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="passes over the training clips, at most")
    parser.add_argument("--seed", type=int, default=0, help="of the synthetic videos, the splits and the training")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


def work(arguments: argparse.Namespace) -> int:
    _check(arguments)
    from rich.console import Console

    # A polite kill, as Ctrl-C: the servers are stopped on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments.out.mkdir(parents=True, exist_ok=True)
    with log_of_libraries(arguments.out / "logs" / "libraries.log") as screen:
        return _Demo(arguments, Stages(Console(file=screen, highlight=False, soft_wrap=True))).run()


def _check(arguments: argparse.Namespace) -> None:
    if arguments.epochs < 1 or arguments.seed < 0:
        raise ConfigError(
            f"--epochs must be 1 or more and --seed 0 or more. Received: {arguments.epochs}, {arguments.seed}"
        )
    if arguments.group_regex and not arguments.videos:
        raise ConfigError("--group-regex belongs to --videos FOLDER.")
    if arguments.where and not arguments.manifest:
        raise ConfigError("--where belongs to --manifest FILE.")
    for path in (arguments.videos, arguments.manifest):
        if path is not None and not path.exists():
            raise ConfigError(f"There is no {path}.")


@dataclass
class _Demo:
    """One run of the demo: the stages in order, each a call of the library."""

    arguments: argparse.Namespace
    screen: Stages

    def run(self) -> int:
        begin = time.monotonic()
        entries = self.find_videos()
        self.extract(entries)
        settings = self.tune()
        self.train(settings)
        self.calibrate()
        self.evaluate()
        self.check_chance()
        self.export()
        answers = self.serve([entry for entry in entries if entry.split == "test" and entry.label is not None])
        self.summarise(answers, time.monotonic() - begin)
        return command.SOME_FAILED if any(one.error for one in answers) else command.DONE

    # Stages ---------------------------------------------------------------------------------------------------------

    def find_videos(self) -> list[VideoEntry]:
        from deepfake_tf import layouts, synthetic

        arguments, folder = self.arguments, self.arguments.videos
        if folder is None and arguments.manifest is None:
            folder = arguments.out / "videos"
            with self.screen.stage("Videos", f"{NUM_REAL} real and {NUM_FAKE} fake synthetic talking heads") as tell:
                synthetic.make_videos(
                    folder, num_real=NUM_REAL, num_fake=NUM_FAKE, seed=arguments.seed, on_progress=tell
                )
        out = arguments.out / "manifest.csv"
        with self.screen.stage("Manifest", "groups, and splits that share none") as tell:
            out.parent.mkdir(parents=True, exist_ok=True)
            layout, root = ("folder", folder) if folder is not None else ("csv", arguments.manifest)
            options = {"group_regex": arguments.group_regex} if folder is not None else {"where": arguments.where}
            name = "synthetic" if folder == arguments.out / "videos" else root.resolve().stem
            settings = layouts.ManifestSettings(dataset=name, shares=SHARES, seed=arguments.seed)
            entries = layouts.make_manifest(layout, root, out, settings=settings, options=options, on_progress=tell)
            self.describe(entries)
        return entries

    def describe(self, entries: Sequence[VideoEntry]) -> None:
        """Prints what there is in each split, and says at once if it cannot be enough."""
        counts = Counter((entry.split, entry.label) for entry in entries)
        groups = {split: len({entry.group for entry in entries if entry.split == split}) for split in SPLITS}
        for split in SPLITS:
            real, fake = counts[split, REAL], counts[split, FAKE]
            self.screen.say(f"{split:<6}{real:>5} real {fake:>5} fake  in {groups[split]} groups")
        if not any(entry.identities or entry.original_id for entry in entries):
            self.screen.say("Identities are unknown: every video is its own group, and leaks go unchecked.")
        for split in ("train", "val", "test"):
            for label in (REAL, FAKE):
                if not counts[split, label] and (split != "test" or not (counts[split, 1 - label])):
                    raise DataError(
                        f"The split {split!r} has no {LABEL_NAMES[label]} video; the demo needs both classes in train "
                        f"and val, and some videos in test. Received: {len(entries)} videos in {sum(groups.values())} "
                        "groups; a group is never divided. Add videos of more people, or name the groups more finely."
                    )

    def extract(self, entries: Sequence[VideoEntry]) -> None:
        from deepfake_tf.data_folder import FAILURES_NAME, ShardSettings
        from deepfake_tf.runners import RunSettings, Standing, extract_manifest

        with self.screen.stage("Clips", f"faces found and followed, {SPEC.num_frames} crops a clip") as tell:

            def show(at: Standing) -> None:
                tell(at.num_found + at.num_done, at.num_videos, f"{at.num_clips} clips, {at.num_failed} videos without")

            settings = ShardSettings(SPEC, videos_per_shard=8)
            run = RunSettings(max_failed_share=1.0)
            found = extract_manifest(entries, self.clips_dir, settings, run=run, on_progress=show)
            num_clips = sum(found.index.num_clips(split) for split in found.index.shards)
            self.screen.say(f"{num_clips} clips of {len(entries) - len(found.failures)} videos")
            if found.failures:
                words = ", ".join(f"{n} {word}" for word, n in Counter(one.outcome for one in found.failures).items())
                self.screen.say(f"{len(found.failures)} gave none ({words}): {self.clips_dir / FAILURES_NAME} says why")

    def tune(self) -> TrainSettings:
        with self.screen.stage("Tuning", f"{SEARCH.max_trials} trials of {TRIAL_EPOCHS} epochs") as tell:
            from deepfake_tf.searching.tuning import Standing, tune

            def show(at: Standing) -> None:
                if at.training:
                    steps = (at.training.epoch - 1) * at.training.num_steps + at.training.step
                    of = at.training.num_epochs * at.training.num_steps
                    tell(at.num_finished * of + steps, SEARCH.max_trials * of, f"trial {at.num_finished + 1}")

            base = TrainSettings(epochs=TRIAL_EPOCHS, patience=0, seed=SEARCH_SEED)
            run = tune(self.clips_dir, self.arguments.out / "tuning", base, search=SEARCH, on_progress=show)
            settings = TrainSettings.from_json(run["settings"])
            self.screen.say(
                f"best {run['result']['monitor']} {run['result']['best']:.3f}: {settings.backbone} "
                f"{settings.backbone_settings} with {settings.head}, learning rate {settings.learning_rate:.2g}"
            )
        return dataclasses.replace(settings, epochs=self.arguments.epochs, patience=PATIENCE, seed=self.arguments.seed)

    def train(self, settings: TrainSettings) -> None:
        with self.screen.stage("Training", f"the winner, {settings.epochs} epochs at most") as tell:
            from deepfake_tf.learning.training import Progress, train

            def show(at: Progress) -> None:
                news = "  ".join(f"{name} {at.metrics[name]:.3f}" for name in ("loss", "val_auc") if name in at.metrics)
                steps = (at.epoch - 1) * at.num_steps + at.step
                tell(steps, at.num_epochs * at.num_steps, f"epoch {at.epoch}  {news}")

            result = train(self.clips_dir, self.run_dir, settings, on_progress=show)["result"]
            self.screen.say(
                f"best of {result['num_epochs']} epochs: {result['best_epoch']}, "
                f"val_auc {result['metrics']['val_auc']:.3f}"
            )

    def calibrate(self) -> None:
        with self.screen.stage("Calibration", "joining, score, threshold and band, chosen on validation") as tell:
            from deepfake_tf.judging.decision import CALIBRATION_FILE
            from deepfake_tf.judging.run_calibration import calibrate

            try:
                if not (self.run_dir / CALIBRATION_FILE).is_file():
                    calibrate(self.run_dir, self.clips_dir, on_progress=tell)
            except DataError as error:
                self.screen.say(f"not calibrated: {error}")
                return
            found = json.loads((self.run_dir / CALIBRATION_FILE).read_text())
            chosen, before, after = found["decision"], *(found["chosen_on"][name] for name in ("before", "after"))
            self.screen.say(
                f"clips joined by {chosen['joining']}, threshold {chosen['threshold']:.2f}, nearer than "
                f"{chosen['band']:.2f} to it is INCONCLUSIVE"
            )
            self.screen.say(f"calibration error {before['ece']:.3f} before, {after['ece']:.3f} after, on validation")

    def evaluate(self) -> None:
        with self.screen.stage("Evaluation", "of the held-out videos") as tell:
            from deepfake_tf.reporting.evaluation import evaluate

            report = evaluate(self.run_dir, self.clips_dir, "test", self.report_dir, on_progress=tell)
            videos = report["videos"]
            auc, (low, high) = videos["metrics"]["roc_auc"], videos["intervals"]["roc_auc"]
            self.screen.say(f"{videos['num_real']} real and {videos['num_fake']} fake in {videos['num_groups']} groups")
            if auc is None:
                self.screen.say("AUC is not defined: the held-out videos are of one class")
            else:
                interval = "" if low is None else f", 95 % interval over groups {low:.3f} to {high:.3f}"
                self.screen.say(f"[bold]video AUC {auc:.3f}[/]{interval}")

    def check_chance(self) -> None:
        """Shuffles labels, for which every AUC must come out around 0.5."""
        with self.screen.stage("Chance", "the same with shuffled labels"):
            from deepfake_tf import chance
            from deepfake_tf.batching.clip_table import list_clips
            from deepfake_tf.manifest import read_table

            rows = [row for row in read_table(self.report_dir / "video_scores.csv") if row["score"]]
            labels = [LABEL_NAMES.index(row["label"]) for row in rows]
            if len(set(labels)) < 2:
                self.screen.say("needs held-out videos of both classes")
                return
            train, test = (list_clips(self.clips_dir, [split]).labelled() for split in ("train", "test"))
            found = {
                "these scores, labels shuffled": chance.shuffle_labels(labels, [float(row["score"]) for row in rows]),
                "retrained on thumbnails": chance.retrain_on_shuffled_labels(train, test),
            }
            for name, one in found.items():
                word = "contains 0.5" if one.holds else "[bold red]0.5 is outside![/]"
                self.screen.say(
                    f"{name}, {one.num_shuffles} times: AUC {one.mean:.3f}, 95 % interval {one.low:.3f} to "
                    f"{one.high:.3f} ({word}); with the true labels {one.auc:.3f}"
                )
            text = json.dumps({name: one.to_json() for name, one in found.items()}, indent=2) + "\n"
            atomic.write_whole(self.report_dir / "chance.json", text.encode())

    def export(self) -> None:
        with self.screen.stage("Export", "a SavedModel for TensorFlow Serving, checked before it is published"):
            from rich.markup import escape

            from deepfake_tf.export import export_servable

            self.screen.say(escape(str(export_servable(self.run_dir, self.servable_dir))))

    def serve(self, entries: Sequence[VideoEntry]) -> "list[Judged]":
        from serving import judged
        from serving.client import Client
        from serving.local import LocalServers

        with self.screen.stage("Serving", "a model server and a gateway, on free ports") as tell:
            log_dir = self.arguments.out / "logs"
            with contextlib.ExitStack() as stack:
                servers = stack.enter_context(
                    LocalServers(self.servable_dir, log_dir=log_dir, on_progress=lambda what: tell(None, None, what))
                )
                client = stack.enter_context(Client(servers.target))
                answers = []
                for number, entry in enumerate(entries):
                    tell(number, len(entries), entry.path.name)
                    answers.append(judged.ask(client, entry.path, video_id=entry.video_id, label=entry.label or REAL))
                tell(len(entries), len(entries), "")
            self.screen.say(f"{len(answers)} videos sent to {servers.target}; both servers are stopped again")
        return answers

    # What surrounds them --------------------------------------------------------------------------------------------

    def summarise(self, answers: "Sequence[Judged]", took_sec: float) -> None:
        from deepfake_tf.manifest import read_table
        from serving import judged

        judged.print_table(answers)
        marked = [answer for answer in answers if answer.is_right is not None]
        right = sum(bool(answer.is_right) for answer in marked)
        print(f"{right} of {len(marked)} verdicts are right; {len(answers) - len(marked)} say neither REAL nor FAKE.")
        rows = [row for row in read_table(self.report_dir / "video_scores.csv") if row["score"]]
        differ = judged.largest_difference(answers, {row["video_id"]: float(row["score"]) for row in rows})
        print(f"Served and evaluated scores differ by {differ:.1e} at most.")
        verdicts_path = self.arguments.out / "verdicts.json"
        judged.write(answers, verdicts_path)
        made = {
            "videos and splits": self.arguments.out / "manifest.csv",
            "report": self.report_dir / "report.html",
            "model": self.servable_dir,
            "verdicts": verdicts_path,
            "logs": self.arguments.out / "logs",
        }
        for name, path in made.items():
            print(f"  {name:<20}{path}")
        print(
            f"All in {took_sec:.0f} s: "
            + ", ".join(f"{name.lower()} {sec:.0f}" for name, sec in self.screen.times_sec.items())
        )
        print(f"Judge a video of your own: python -m pipelines.predict {self.servable_dir} VIDEO")

    @property
    def clips_dir(self) -> Path:
        return self.arguments.out / "clips"

    @property
    def run_dir(self) -> Path:
        return self.arguments.out / "run"

    @property
    def report_dir(self) -> Path:
        return self.arguments.out / "report"

    @property
    def servable_dir(self) -> Path:
        return self.arguments.out / "servables" / MODEL_NAME


if __name__ == "__main__":
    sys.exit(main())
