"""The import table: which module may import which, and which may not bring TensorFlow along."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A module imports from its own row or from rows above. A folder of plugins is named once; the modules of one room
# stand on lines of their own.
ROWS = [
    """
    errors
    """,
    """
    plain schema plugins command stages protos atomic crc32c native_output mediapipe_library freed_memory
    """,
    """
    assets archives manifest balance layouts splits worker_process workers faces tracks clips crops
    following face_regions augment
    recipes blending swapping metrics versions
    timing batch_buffers frame_windows
    timeline squares colour frames deinterlacing video picture_files picture_folder
    joining verdict calibration decision
    settings train_flags
    resampling delong
    search_settings search_workers
    ingredients hours
    """,
    """
    autoencoders reconstructing
    extraction jpeg_stream photographs records contact_sheet data_folder predictors detector
    degradations reencoding
    verdict_table
    figures heat_map
    search_importance
    """,
    """
    runners blended_data
    clip_table sampling pixel_cache loading
    face_sizes matched_pairs
    material
    """,
    """
    backbones heads model zoo classifiers reductions
    dataset
    accelerators
    fitted standardise probe_settings embeddings probe_model
    """,
    """
    runs chance export litert edge model_card publishing
    robustness robustness_cells robustness_plots
    saliency overlay explain
    scoring run_calibration
    history losses loss_scale optimizers freezing fused_norms weight_average devices training_step training_state
    tensorboard bad_batch validation learning_curves epochs training
    measures breakdown score_tables comparison matrix evaluation data_card report_plots report_words report
    """,
    """
    synthetic
    probe_data probe_cells probe_scores probe_table probe_report probe probe_matrix
    search_space search_oracles search_report tuning crossval_report crossval
    scores calibrating models sanity worse folds tables ladder generalise
    """,
]
# Folders of modules, each of which has its own row.
ROOMS = {
    *("decoding", "batching", "learning", "searching", "probing", "judging", "reporting", "explaining", "degrading"),
    "generalising",
}
ROW = {name: number for number, row in enumerate(ROWS) for name in row.split()}
FIRST_ROW_WITH_TENSORFLOW = 5
SERVING_MAY_USE = {
    "assets",
    "atomic",
    "errors",
    "freed_memory",
    "schema",
    "plugins",
    "command",
    "layouts",
    "protos",
    "workers",
    "joining",
    "verdict",
    "versions",
    "extraction",
    "video",
    "jpeg_stream",
    "clips",
    "predictors",
    "detector",
}
ONLY_KERAS = {"backbones", "heads"}
# Stages that call other library stages through the library, and the one server that holds TensorFlow.
SERVING_WITH_TENSORFLOW = {"model_server", "predict_request"}


def source_files(folder: str) -> list[Path]:
    return [path for path in sorted((ROOT / folder).rglob("*.py")) if not path.stem.endswith(("_pb2", "_pb2_grpc"))]


def imported_modules(path: Path) -> set[str]:
    """Every dotted name that a file imports, inside functions too; `from a import b` counts as a and as a.b."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imports_at_top(path: Path) -> set[str]:
    nodes = [node for node in ast.parse(path.read_text()).body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return {(node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name for node in nodes}


def part_of(name: str, package: str) -> str | None:
    """The module or plugin folder of `package` that a dotted name lies in."""
    words = [word for word in name.split(".") if word not in ROOMS]
    return words[1] if len(words) > 1 and words[0] == package else None


def library_part(path: Path) -> str:
    parts = [part for part in path.relative_to(ROOT / "deepfake_tf").parts if part not in ROOMS]
    return parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", source_files("deepfake_tf"), ids=lambda path: str(path.relative_to(ROOT)))
def test_library_imports_point_up_the_table(path):
    part = library_part(path)
    if part == "__init__":
        return
    assert part in ROW, f"{path} has no row in the import table"
    for name in imported_modules(path):
        other = part_of(name, "deepfake_tf")
        if other in ROW:
            assert ROW[other] <= ROW[part], f"{path} (row {ROW[part]}) imports {name} (row {ROW[other]})"
        assert not name.startswith(("pipelines", "serving")), f"{path} imports {name}"
        if part in ONLY_KERAS:
            assert not name.startswith("tensorflow"), f"{path} may only use keras and keras.ops"
    if ROW[part] < FIRST_ROW_WITH_TENSORFLOW:
        assert not {
            name for name in imports_at_top(path) if name.split(".")[0] in {"tensorflow", "keras", "keras_tuner"}
        }


@pytest.mark.parametrize("path", source_files("pipelines"), ids=lambda path: path.name)
def test_a_stage_imports_no_other_stage(path):
    assert not {name for name in imported_modules(path) if part_of(name, "pipelines")}


@pytest.mark.parametrize("path", source_files("serving"), ids=lambda path: path.name)
def test_serving_uses_what_it_may(path):
    if path.stem in SERVING_WITH_TENSORFLOW:
        return
    used = {part_of(name, "deepfake_tf") for name in imported_modules(path)} - {None, "__version__"}
    assert used <= SERVING_MAY_USE
    assert not {name for name in imported_modules(path) if name.startswith(("tensorflow", "keras", "pipelines"))}


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_nothing_above_the_line_loads_tensorflow():
    files = [path for path in source_files("deepfake_tf") if ROW.get(library_part(path), 0) < FIRST_ROW_WITH_TENSORFLOW]
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files]
    modules += ["serving.client", "serving.server", "serving.gateway"]
    code = (
        f"import importlib, sys; [importlib.import_module(m) for m in {modules!r}]; print('tensorflow' in sys.modules)"
    )
    assert run_python(code).strip() == "False"


def test_importing_the_package_does_no_work():
    code = "import sys; before = set(sys.modules); import deepfake_tf; print(sorted(set(sys.modules) - before))"
    assert run_python(code).strip() == "['deepfake_tf']"


def command_modules() -> list[str]:
    stages = [f"pipelines.{path.stem}" for path in source_files("pipelines") if path.stem != "__init__"]
    return [*stages, "serving.client", "serving.server", "serving.model_server"]


@pytest.mark.parametrize("module", command_modules())
def test_help_is_quick_and_says_something(module):
    code = f"""
import sys, time, runpy
sys.argv = ["{module}", "--help"]
begin = time.process_time()
try:
    runpy.run_module("{module}", run_name="__main__")
except SystemExit as end:
    assert end.code == 0
sys.stderr.write(str(time.process_time() - begin))
assert not {{"tensorflow", "mediapipe", "cv2"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout
    assert len(done.stdout.splitlines()) > 5
    # Processor time, so that a busy machine does not fail it.
    assert float(done.stderr) < 1.0


def test_no_file_without_a_subject():
    banned = {"utils.py", "helpers.py", "common.py", "misc.py"}
    assert not [
        path
        for folder in ("deepfake_tf", "pipelines", "serving")
        for path in source_files(folder)
        if path.name in banned
    ]
