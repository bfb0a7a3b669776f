"""Reads frozen backbones with classical classifiers: python -m pipelines.probe DATA --out RUN --backbones small_cnn."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake_tf import command, native_output, plugins
from deepfake_tf.errors import ConfigError
from deepfake_tf.probing.probe_settings import ProbeSearch

if TYPE_CHECKING:
    from rich.progress import Progress

NUM_SHOWN = 10


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Embeds clips by frozen backbones, fits every reduction and classifier on the embeddings, and leaves the best "
        "as a run that can be evaluated and served. A probe that was stopped goes on."
    )
    parser.add_argument("data", type=Path, nargs="+", help="folder of shards, made by pipelines.extract")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run, made if it is not there")
    parser.add_argument(
        "--cross", action="store_true", help="no run, but a matrix: fit on each data set, test on each of them"
    )
    table = parser.add_argument_group("the table", "every backbone with every transform, reduction and classifier")
    defaults = ProbeSearch()
    known = {
        "backbones": "python -m pipelines.models lists them; a+b sets two side by side",
        "transforms": "what training clips go through besides: none, a recipe, or ops such as blur+colour",
        "reductions": f"{', '.join(plugins.names('reductions'))}; with a width: pca:16",
        "classifiers": f"{', '.join(plugins.names('classifiers'))}; or all",
    }
    for name, text in known.items():
        table.add_argument(f"--{name}", nargs="+", metavar="NAME", default=list(getattr(defaults, name)), help=text)
    table.add_argument(
        "--backbone-settings",
        type=_settings_by_backbone,
        metavar="JSON",
        default={},
        help='by backbone, such as {"clip_vit_b16": {"weights": "clip_vit_base_patch16"}}',
    )
    table.add_argument("--num-folds", type=int, default=defaults.num_folds, help="that choose a classifier's settings")
    table.add_argument("--seed", type=int, default=defaults.seed, help="of new weights, transforms, folds and fits")
    parser.add_argument("--test", action="store_true", help="report the split test as well, for every cell")
    parser.add_argument(
        "--compare",
        nargs="+",
        type=Path,
        metavar="RUN",
        default=[],
        help="finished runs to be listed beside the probes",
    )
    return parser


def work(arguments: argparse.Namespace) -> int:
    search = read_search(arguments)
    if arguments.cross:
        return work_cross(arguments, search)
    if len(arguments.data) > 1:
        raise ConfigError(f"A probe is fitted on one folder; --cross takes several. Received: {len(arguments.data)}")
    (data_dir,) = arguments.data
    print(
        f"Probing {', '.join(search.backbones)} on the clips of {data_dir}: {len(search.cells())} cells, "
        "best by AUC over the videos of val.",
        flush=True,
    )
    # TensorFlow takes its time to load: only now, with flags and settings checked.
    native_output.load_tensorflow()
    from deepfake_tf.probing.probe import probe

    with progress_bars() as bar:
        results = probe(
            data_dir,
            arguments.out,
            search,
            test=arguments.test,
            compare=arguments.compare,
            on_progress=shown_on(bar, len(search.cells())),
        )
    print_summary(results, arguments)
    return command.DONE


def read_search(arguments: argparse.Namespace) -> ProbeSearch:
    chosen = arguments.classifiers
    return ProbeSearch(
        backbones=tuple(arguments.backbones),
        transforms=tuple(arguments.transforms),
        reductions=tuple(arguments.reductions),
        classifiers=tuple(plugins.names("classifiers") if chosen == ["all"] else chosen),
        backbone_settings=arguments.backbone_settings,
        num_folds=arguments.num_folds,
        seed=arguments.seed,
    )


def work_cross(arguments: argparse.Namespace, search: ProbeSearch) -> int:
    if arguments.test or arguments.compare:
        raise ConfigError(
            "--cross always tests, and compares no runs (pipelines.matrix does): leave --test and --compare."
        )
    print(f"Probing on each data set of {', '.join(map(str, arguments.data))}, and testing on each.", flush=True)
    native_output.load_tensorflow()
    from deepfake_tf.probing.probe_matrix import cross

    with progress_bars() as bar:
        results = cross(arguments.data, arguments.out, search, on_progress=shown_on(bar, None))
    print_matrix(results)
    print(f"The matrix is {arguments.out / 'matrix.png'} and {arguments.out / 'matrix.csv'}")
    return command.DONE


def progress_bars() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TextColumn("{task.fields[best]}"), console=Console(stderr=True))


def shown_on(bar: "Progress", num_cells: int | None) -> Any:
    """Returns what shows a probe's standing on two bars: the cells, and what is being done."""
    cells = bar.add_task("cells", total=num_cells, best="")
    part = bar.add_task("loading", total=None, best="")

    def show(at: Any) -> None:
        best = "" if at.best is None else f"best val video AUC {at.best:.3f}"
        bar.update(cells, completed=at.num_done, total=at.num_cells or None, best=best)
        bar.update(part, description=at.what or "done", completed=at.done, total=at.total or None)

    return show


def print_summary(results: dict[str, Any], arguments: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    from deepfake_tf.probing.probe_report import name_of, ranking

    best = results["cells"][results["winner"]]
    splits = [split for split in ("val", "test") if split in results["splits"]]
    table = Table(
        title=f"The best of {len(results['cells'])}, and runs beside them: AUC over videos (95 % over groups)"
    )
    table.add_column("probe", overflow="fold")
    columns = [(split, part) for split in splits for part in ("all", "pairs") if part == "all" or best[split]["pairs"]]
    for split, part in columns:
        table.add_column(split if part == "all" else f"{split}, matched pairs")
    for number in ranking(results["cells"])[:NUM_SHOWN]:
        cell = results["cells"][number]
        table.add_row(name_of(cell), *_texts(cell, columns))
    for run in results["runs"]:
        table.add_row(f"run {run['path']} ({run['name']})", *_texts(run, columns))
    # Not narrower where the output is no terminal: the words are what one reads.
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    print(f"Best on val: {name_of(best)} with {json.dumps(best['settings']['classifier_settings'])}")
    print(f"The whole table is {arguments.out / 'table.csv'}, the report {arguments.out / 'probe.html'}")
    print(f"The winner is a run: python -m pipelines.evaluate {arguments.out} {arguments.data[0]} --split test")


def _texts(one: dict[str, Any], columns: list[tuple[str, str]]) -> list[str]:
    return [_auc(one[split] if part == "all" else one[split]["pairs"]) for split, part in columns]


def print_matrix(results: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    names = [one["name"] for one in results["columns"]]
    table = Table(title="AUC over test videos (95 % over groups)")
    for name in ["trained on", "probe", *(f"tested on {name}" for name in names)]:
        table.add_column(name)
    for row in results["rows"]:
        tests = [row["tests"][name] for name in names]
        table.add_row(row["name"], row["probe"], *("one class only" if one is None else _auc(one) for one in tests))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _auc(measured: dict[str, Any]) -> str:
    low, high = measured["interval"]
    if measured["roc_auc"] is None:
        return "–"
    return f"{measured['roc_auc']:.3f}" + ("" if low is None else f" ({low:.3f} to {high:.3f})")


def _settings_by_backbone(text: str) -> dict[str, dict[str, Any]]:
    value = json.loads(text)
    if not isinstance(value, dict) or not all(isinstance(one, dict) for one in value.values()):
        raise ValueError(text)
    return value


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
