"""Runs an image's steps in a plain Debian root, without a container engine: python -m tests.benchmarks.image_steps.

    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv bookworm ROOT   (as root, once)
    python -m tests.benchmarks.image_steps docker/gateway.Dockerfile --root ROOT --out STAGES

The root stands in for python:3.12-slim-bookworm: the same Debian, with Debian's Python 3.11 under the names that the
image has. Every stage is a copy of it in which the Dockerfile's ENV, WORKDIR, COPY, RUN and USER are done one after the
other; pip takes the settings of this process's environment (PIP_*), and nothing else of it. What is left is the last
stage's folder. Its entry point is then asked for its help as the image's user, with every file of it read-only
but for /tmp, in a mount, process and host name space of its own.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import Popen

from tests.serving.processes import embedded_model_server, free_port

ROOT = Path(__file__).parent.parent.parent
# Settings of pip that name files of this machine, and where they are put in the root.
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


class Stage:
    """One FROM: a root folder, and what the instructions have set so far."""

    def __init__(self, folder, base):
        self.folder, self.env, self.workdir, self.user = folder, {}, "/", "0:0"
        self.arguments, self.entrypoint = {}, []
        print(f"  FROM: {folder}", flush=True)
        subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(folder)], check=True)

    def inside(self, path):
        joined = Path(self.workdir, path)
        return self.folder / joined.relative_to("/")

    def environment(self):
        path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        values = {"PATH": path, "HOME": "/root", "LANG": "C.UTF-8", **pip, **self.arguments}
        for name, value in self.env.items():
            values[name] = re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], ""), value)
        return values


def instructions(text):
    """Yields the words and the rest of each instruction, without comments, with lines joined."""
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in kept.replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word.upper(), rest.strip()


def chrooted(stage, command, *, read_only=False):
    """Returns what runs a command in a stage, with the kernel's file systems there, and a network."""
    mounts = ["mount -t proc proc {0}/proc", "mount --rbind /dev {0}/dev", "mount --rbind /sys {0}/sys"]
    if read_only:
        mounts += ["mount --bind {0} {0}", "mount -o remount,ro,bind {0}", "mount -t tmpfs tmpfs {0}/tmp"]
        mounts = mounts[3:5] + mounts[:3] + mounts[5:]
    steps = " && ".join(one.format(shlex.quote(str(stage.folder))) for one in mounts)
    values = [f"{name}={value}" for name, value in stage.environment().items()]
    inner = ["chroot", f"--userspec={stage.user}", str(stage.folder), "/usr/bin/env", "-i", *values, *command]
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts"]
    return [*unshare, "sh", "-c", f"{steps} && exec {shlex.join(inner)}"]


def chroot(stage, command, *, read_only=False, **options):
    """Runs a command in a stage."""
    return subprocess.run(chrooted(stage, command, read_only=read_only), check=True, **options)


def build(dockerfile, root, out):
    """Does what a Dockerfile says; returns its last stage."""
    named, stage = {}, None
    for word, rest in instructions(dockerfile.read_text()):
        begin = time.monotonic()
        if word == "FROM":
            stage = Stage(out / f"stage-{len(named)}", root)
            named[rest.lower().partition(" as ")[2]] = stage
        elif stage is not None:
            do(stage, word, rest, named)
        print(f"  {time.monotonic() - begin:6.1f} s  {word} {rest[:100]}", flush=True)
    return stage


def do(stage, word, rest, named):
    if word == "ARG":
        stage.arguments |= dict([rest.partition("=")[::2]])
    elif word == "ENV":
        stage.env |= dict(one.partition("=")[::2] for one in shlex.split(rest))
    elif word == "WORKDIR":
        stage.workdir = rest
        stage.inside(".").mkdir(parents=True, exist_ok=True)
    elif word == "USER":
        stage.user = rest
    elif word == "COPY":
        copy(stage, shlex.split(rest), named)
    elif word == "RUN":
        chroot(stage, ["/bin/sh", "-c", f"cd {stage.workdir} && {rest}"])
    elif word == "ENTRYPOINT":
        stage.entrypoint = json.loads(rest)
    elif word not in ("CMD", "EXPOSE", "HEALTHCHECK"):
        sys.exit(f"error: this script does not know the instruction {word}")


def copy(stage, words, named):
    source = ROOT
    if words[0].startswith("--from="):
        source = named[words.pop(0).removeprefix("--from=")].folder
    *names, target = words
    for name in names:
        origin = source / name.lstrip("/")
        into = stage.inside(target)
        if origin.is_dir():
            skip = None if source != ROOT else shutil.ignore_patterns("__pycache__")
            shutil.copytree(origin, into, symlinks=True, ignore=skip, dirs_exist_ok=True)
        else:
            into = into / origin.name if target.endswith("/") else into
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(origin, into)


def like_the_official_image(root):
    """Gives Debian's Python the names of the official image's, and lets the root reach the network."""
    for name in ("python", "python3"):
        link = root / "usr/local/bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to("/usr/bin/python3")
    for path in ("/etc/resolv.conf", CERTIFICATES):
        if Path(path).is_file():
            shutil.copy(path, root / path.lstrip("/"))


def megabytes(folder):
    done = subprocess.run(["du", "-sm", "--one-file-system", str(folder)], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dockerfile", type=Path)
    parser.add_argument(
        "--root", type=Path, required=True, help="a root made by debootstrap; it is not changed but for names"
    )
    parser.add_argument("--out", type=Path, required=True, help="where the stages are made; must not be there")
    parser.add_argument("--servable", type=Path, help="of the gateway's image: is served by the embedded model server")
    parser.add_argument("--video", type=Path, help="is judged by the gateway in its image, as its user")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("error: chroot and mounts need root")
    arguments.out.mkdir(parents=True)
    like_the_official_image(arguments.root)
    print(f"{arguments.dockerfile}, load average {os.getloadavg()[0]:.1f}")
    stage = build(arguments.dockerfile, arguments.root, arguments.out)
    print(f"{megabytes(stage.folder)} MB, of which the plain root has {megabytes(arguments.root)}")
    begin = time.monotonic()
    done = chroot(stage, [*stage.entrypoint, *check_of(stage)], read_only=True, capture_output=True, text=True)
    print(done.stdout.splitlines()[0])
    print(f"The entry point answers as user {stage.user} on a read-only root, in {time.monotonic() - begin:.1f} s")
    try:
        chroot(stage, ["/usr/bin/touch", "/opt/file"], read_only=True, capture_output=True)
        sys.exit("error: the root can be written to")
    except subprocess.CalledProcessError:
        print("and nothing of it can be written to")
    if arguments.video:
        print(judge(stage, arguments.servable, arguments.video))
    print(f"The last stage is {stage.folder}")


def check_of(stage):
    return ["--help"] if "serving.server" in stage.entrypoint else ["pipelines.models", "--help"]


def judge(stage, servable, video):
    """The gateway in its image, a model server and a client outside of it: the video gets its verdict."""
    server, target = embedded_model_server(servable)
    port = free_port()
    flags = ["--predictor", target, "--port", str(port), "--workers", "1", "--upload-dir", "/tmp"]
    gateway = Popen(chrooted(stage, [*stage.entrypoint, *flags], read_only=True), start_new_session=True)
    try:
        for _ in range(60):
            asked = subprocess.run(chrooted(stage, ["python", "/opt/healthy.py", f"localhost:{port}"], read_only=True))
            if asked.returncode == 0:
                break
            time.sleep(1)
        command = [sys.executable, "-m", "serving.client", str(video), "--target", f"localhost:{port}"]
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    finally:
        os.killpg(gateway.pid, signal.SIGKILL)
        gateway.wait()
        server.kill()


if __name__ == "__main__":
    main()
