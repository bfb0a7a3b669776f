"""What an extra brings into a fresh environment: python -m tests.benchmarks.fresh_environment client.

Installs deepfake-tf with the extra from this folder, lists packages and their size, and runs what the extra is for. The
client must come without TensorFlow.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PROGRAMS = {"client": "serving.client", "gateway": "serving.server", "litert": "pipelines.predict"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extra", choices=sorted(PROGRAMS))
    extra = parser.parse_args().extra
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        # A copy: a build leaves folders behind.
        source = Path(folder) / "source"
        source.mkdir()
        for name in ("deepfake_tf", "pipelines", "serving"):
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        subprocess.run([sys.executable, "-m", "venv", f"{folder}/venv"], check=True)
        python = f"{folder}/venv/bin/python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"{source}[{extra}]"], check=True)
        listed = subprocess.run(
            [python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True
        ).stdout
        packages = {one["name"]: one["version"] for one in json.loads(listed)}
        done = subprocess.run([python, "-m", PROGRAMS[extra], "--help"], cwd=folder, capture_output=True, text=True)
        megabytes = sum(one.stat().st_size for one in Path(folder, "venv").rglob("*") if one.is_file()) / 1e6
    print(f"{extra}: {len(packages)} packages, {megabytes:,.0f} MB, made in {time.monotonic() - begin:.0f} s")
    print(", ".join(f"{name} {version}" for name, version in packages.items()))
    print(f"python -m {PROGRAMS[extra]} --help ends with {done.returncode}; load average {os.getloadavg()[0]:.1f}")
    if done.returncode != 0:
        sys.exit(f"error: {done.stderr.strip().splitlines()[-1]}")
    if heavy := [name for name in packages if name.startswith(("tensorflow", "keras"))]:
        sys.exit(f"error: it brought {', '.join(heavy)}")
    print("TensorFlow is not among them")


if __name__ == "__main__":
    main()
