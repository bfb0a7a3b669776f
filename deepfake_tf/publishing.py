"""A servable as one file that can be given away: an archive with its model card, its licence and its spec.

    servables/detector/3 + RUN + report.json + licence --> detector-3.tar.gz, the same bytes each time, and its SHA-256

    detector-3/MODEL_CARD.md  detector-3/LICENSE  detector-3/spec.json  detector-3/3/saved_model.pb ...

The folder inside is a servable like any other: a model server takes it as its base path. archives.py fetches it.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepfake_tf import atomic, runs
from deepfake_tf.errors import ConfigError, ServableError
from deepfake_tf.export import SOURCE_FILE, weights_sha256
from deepfake_tf.model_card import write_card
from deepfake_tf.predictors.saved_model import SavedModel, read_spec, replay_warmup
from deepfake_tf.schema import ServableSpec
from deepfake_tf.versions import version_dirs

SUFFIX = ".tar.gz"
CARD_FILE, LICENCE_FILE, SPEC_FILE = "MODEL_CARD.md", "LICENSE", "spec.json"


@dataclass(frozen=True)
class Published:
    """What came of it: the archive, its SHA-256 in hexadecimal, its size, and the model card's text."""

    path: Path
    sha256: str
    num_bytes: int
    card: str


def publish(
    servable: Path | str, out: Path | str, *, run_dir: Path | str, report: Path | str | None, licence: Path | str
) -> Published:
    """Writes the archive, and beside it a file that `sha256sum --check` takes.

    Args:
        servable: the folder of the version folders, whose newest is taken, or one version folder.
        out: the archive, *.tar.gz; its folder is there. What is there already is replaced.
        run_dir: the run that it was exported from, for the model card.
        report: report.json of an evaluation of that run; the card says that nothing was measured if None.
        licence: a text file, the terms that the model is given away under.

    Raises:
        ConfigError: a file is not there, or the report is of another run.
        ServableError: the servable cannot be loaded, or was not exported from the run.
    """
    path = Path(out)
    if not path.name.endswith(SUFFIX):
        raise ConfigError(f"The archive's name must end in {SUFFIX}. Received: {path.name}")
    terms = _read(licence, "The licence")
    if not terms.strip():
        raise ConfigError(f"{licence} is empty. It must hold the terms that the model is given away under.")
    results = None if report is None else _read_report(report)
    folder = _version_folder(Path(servable))
    spec = _load(folder)
    model, run = runs.load_run(run_dir)
    _check_origin(folder, weights_sha256(model), run_dir)
    if results is not None:
        _check_report(results, run, spec, Path(str(report)))
    card = write_card(spec, run, results)
    texts = {CARD_FILE: card, LICENCE_FILE: terms, SPEC_FILE: json.dumps(json.loads(spec.to_text()), indent=2) + "\n"}
    data = pack(f"{spec.model_name}-{spec.model_version}", folder, {name: one.encode() for name, one in texts.items()})
    digest = hashlib.sha256(data).hexdigest()
    atomic.write_whole(path, data)
    atomic.write_whole(path.with_name(path.name + ".sha256"), f"{digest}  {path.name}\n".encode())
    return Published(path, digest, len(data), card)


def pack(name: str, folder: Path, texts: Mapping[str, bytes]) -> bytes:
    """Returns a .tar.gz that depends on names and contents alone: no times, no owners, one order.

    Args:
        name: of the one folder that it holds.
        folder: a version folder, which lies in that folder under its own name.
        texts: further files by name.
    """
    files = {f"{name}/{one}": data for one, data in texts.items()}
    files |= {
        f"{name}/{folder.name}/{one.relative_to(folder).as_posix()}": one.read_bytes()
        for one in folder.rglob("*")
        if one.is_file()
    }
    packed = io.BytesIO()
    # A time in the head would make another file of the same model.
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6, mtime=0, filename="") as plain,
        tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for path, data in sorted(files.items()):
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def _version_folder(servable: Path) -> Path:
    if (servable / "saved_model.pb").is_file():
        return servable
    versions = version_dirs(servable)
    if not versions:
        raise ConfigError(f"No servable in {servable}: expected version folders such as {servable / '1'}.")
    return versions[max(versions)]


def _load(folder: Path) -> ServableSpec:
    """Returns the spec of a servable that can be served."""
    if not folder.name.isdigit():
        raise ConfigError(f"A version folder has a number for its name. Received: {folder}")
    model = SavedModel(folder)
    try:
        replay_warmup(model)
        return read_spec(model)
    finally:
        model.close()


def _check_origin(folder: Path, weights: str, run_dir: Path | str) -> None:
    try:
        origin = json.loads((folder / SOURCE_FILE).read_text()).get("weights_sha256")
    except (OSError, ValueError, AttributeError) as error:
        raise ServableError(f"{folder} does not say what it was made from ({error}). Export it again.") from error
    if origin != weights:
        raise ServableError(f"{folder} was not exported from {run_dir}: its weights are others. Name its own run.")


def _check_report(results: Mapping[str, Any], run: Mapping[str, Any], spec: ServableSpec, path: Path) -> None:
    if results.get("run") != run:
        raise ConfigError(f"{path} is a report on another run. Evaluate the run that the servable was exported from.")
    decision = results["decision"]
    if (decision["threshold"], decision["joining"]) != (spec.threshold, spec.joining):
        raise ConfigError(
            f"{path} was made with the threshold {decision['threshold']} and the rule {decision['joining']}; the "
            f"servable has {spec.threshold} and {spec.joining}. Evaluate again, or export again."
        )


def _read_report(path: Path | str) -> dict[str, Any]:
    try:
        return dict(json.loads(_read(path, "The report")))
    except ValueError as error:
        raise ConfigError(f"{path} is no report.json ({error}). pipelines.evaluate makes one.") from error


def _read(path: Path | str, what: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{what} cannot be read: {error}.") from error
