"""The tree that the README prints, one phrase a file: the first line of each file's docstring, or of its comments.

python -m tests.readme_tree --write    brings the README up to date
"""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BEGIN, END = "<!-- tree: python -m tests.readme_tree --write -->\n```text\n", "```\n<!-- end of tree -->\n"
FOLDERS = ("deepfake_tf", "pipelines", "serving", "docker")
SUFFIXES = (".py", ".proto", ".jinja", ".yaml", ".Dockerfile", ".config", ".html", ".js")
GENERATED = ("_pb2.py", "_pb2_grpc.py")


def phrase(path: Path) -> str:
    """What a file says of itself in its first line."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        line = (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]
    else:
        comments = [
            line.strip("/#{-!<> \t}")
            for line in text.splitlines()
            if line.lstrip().startswith(("//", "#", "{#", "<!--"))
        ]
        line = comments[0] if comments else ""
    return line.split(": python -m")[0].removesuffix(".")


def is_shown(path: Path) -> bool:
    return path.is_file() and path.name.endswith(SUFFIXES) and not path.name.endswith(GENERATED)


def lines_of(folder: Path, depth: int) -> list[str]:
    """The lines of one folder: its files, then its folders, each with theirs."""
    own = folder / "__init__.py"
    about = phrase(own) if own.is_file() else ""
    lines = [line(depth, f"{folder.name}/", about)]
    paths = sorted(folder.iterdir())
    lines += [line(depth + 1, path.name, phrase(path)) for path in paths if is_shown(path) and path != own]
    inner = [path for path in paths if path.is_dir() and any(is_shown(one) for one in path.rglob("*"))]
    return lines + [one for path in inner for one in lines_of(path, depth + 1)]


def line(depth: int, name: str, about: str) -> str:
    return f"{'  ' * depth + name:<30} {about}".rstrip()


def tree() -> str:
    return "\n".join(one for folder in FOLDERS for one in lines_of(ROOT / folder, 0)) + "\n"


def main() -> None:
    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    text = before + BEGIN + tree() + END + after
    if "--write" in sys.argv:
        README.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(tree())


if __name__ == "__main__":
    main()
