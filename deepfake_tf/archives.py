"""A servable from a web address: fetched over TLS, held against its SHA-256, unpacked whole or not at all.

    https://.../detector-3.tar.gz --fetch--> cache/servables/<sha256>/detector-3/{MODEL_CARD.md, LICENSE, spec.json, 3/}

A servable is a program that will be run, so nothing of an archive is looked at before its hash is right; and even then
it may hold nothing but files and folders, below its own, of limited number and size.
"""

import gzip
import hashlib
import http.client
import os
import re
import shutil
import ssl
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, Self

from deepfake_tf import assets
from deepfake_tf.errors import AssetError
from deepfake_tf.versions import version_dirs

MAX_ARCHIVE_BYTES = 4 * 1024**3
MAX_UNPACKED_BYTES = 8 * 1024**3
MAX_FILES = 10_000
SCHEME = "https://"

_PART_BYTES = 1024**2
_TIME_LIMIT_SEC = 60.0
"""Between two parts of an answer."""


def fetch_servable(
    url: str, sha256: str | None, *, on_progress: Callable[[int, int | None], None] | None = None
) -> Path:
    """Returns the folder of a servable that lies at a web address; what was fetched before is not fetched again.

    Args:
        url: of an archive that pipelines.publish made, https only.
        sha256: of the archive, 64 hex digits, from somebody you trust.
        on_progress: is told the bytes that have come and how many there are, None if that is not said.

    Returns:
        The folder of its version folders, in the cache.

    Raises:
        AssetError: there is no hash, the address is not https, or what lies there is not what the hash says, too large,
            or no archive of a servable.
    """
    _check(url, sha256)
    wanted = str(sha256).lower()
    folder = assets.cache_dir() / "servables" / wanted
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".tmp-") as scratch:
            archive = Path(scratch) / "archive"
            _download(url, archive, wanted, on_progress or (lambda done, total: None))
            unpack(archive, Path(scratch) / "unpacked")
            _find_servable(Path(scratch) / "unpacked", url)
            try:
                os.rename(Path(scratch) / "unpacked", folder)
            except OSError:
                # Another process was faster: the same hash, the same files.
                if not folder.is_dir():
                    raise
    return _find_servable(folder, url)


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a .tar.gz that holds nothing but files and folders.

    Args:
        archive: the file.
        folder: is made; if this raises, what is in it is of no use.

    Raises:
        AssetError: it is no such archive, holds anything else, or more than is allowed.
    """
    folder.mkdir()
    room, num_files = MAX_UNPACKED_BYTES, 0
    try:
        with gzip.open(archive) as plain:
            stream: Any = _Limited(plain)
            for member in (tar := tarfile.open(fileobj=stream, mode="r|", tarinfo=_Plain)):
                num_files += 1
                room -= member.size
                if member.size < 0 or room < 0 or num_files > MAX_FILES:
                    raise AssetError(
                        f"The archive would unpack to more than {MAX_UNPACKED_BYTES:,} bytes or {MAX_FILES:,} files."
                    )
                _unpack_one(tar, member, folder)
    except AssetError:
        raise
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        raise AssetError(f"The archive cannot be unpacked: {error}. It is damaged, or no .tar.gz.") from error


def _unpack_one(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or not path.parts:
        raise AssetError(f"The archive holds a path that leads out of it, and was not unpacked: {member.name!r}")
    target = folder / path
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    data = tar.extractfile(member)
    # "x": a name that comes twice is no honest archive's.
    with target.open("xb") as file:
        shutil.copyfileobj(data or _nothing(), file, _PART_BYTES)


class _Plain(tarfile.TarInfo):
    """A file or a folder. Links, devices and headers of any length are refused before they are read."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Returns what a header says."""
        info = super().frombuf(buf, encoding, errors)
        if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
            raise AssetError(
                f"The archive holds something that is neither file nor folder, and was not unpacked: {info.name!r}"
            )
        return info


class _Limited:
    """Ends a stream that unpacks to more than is allowed, whatever its headers say."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile) -> None:
        self._stream, self._left = stream, MAX_UNPACKED_BYTES + MAX_FILES * 4096

    def read(self, size: int) -> bytes:
        """Returns the next bytes, at most `size`."""
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise AssetError(f"The archive would unpack to more than {MAX_UNPACKED_BYTES:,} bytes.")
        return data


def _nothing() -> BinaryIO:
    raise AssetError("The archive holds a file without data.")


# The network ---------------------------------------------------------------------------------------------------------


def _check(url: str, sha256: str | None) -> None:
    if not url.startswith(SCHEME):
        raise AssetError(
            f"A servable is fetched over TLS only, from an address that begins with https. Received: {url}"
        )
    if sha256 is None:
        raise AssetError(
            f"What lies at {url} is a program that would be run here: name its SHA-256 as well, as its publisher says "
            "it (sha256= in Python, --sha256 of a command)."
        )
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise AssetError(f"A SHA-256 has 64 hexadecimal digits. Received: {sha256!r}")


class _OnlyTls(urllib.request.HTTPRedirectHandler):
    """Follows to other addresses as long as they are over TLS as well."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Returns the request to follow with."""
        if not newurl.startswith(SCHEME):
            raise AssetError(f"{req.full_url} leads on to an address without TLS, and was not followed: {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(url: str, path: Path, sha256: str, tell: Callable[[int, int | None], None]) -> None:
    secure = urllib.request.HTTPSHandler(context=ssl.create_default_context())
    opener = urllib.request.build_opener(secure, _OnlyTls())
    digest, done = hashlib.sha256(), 0
    try:
        with opener.open(url, timeout=_TIME_LIMIT_SEC) as answer, path.open("wb") as file:
            said = answer.headers.get("Content-Length", "")
            total = int(said) if said.isdigit() else None
            while data := answer.read(_PART_BYTES):
                done += len(data)
                if max(done, total or 0) > MAX_ARCHIVE_BYTES:
                    raise AssetError(f"{url} is larger than the {MAX_ARCHIVE_BYTES:,} bytes that are allowed.")
                digest.update(data)
                file.write(data)
                tell(done, total)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise AssetError(
            f"{url} cannot be fetched: {reason}. Is the address right, and is it to be reached?"
        ) from error
    if total is not None and done < total:
        raise AssetError(f"{url} ended after {done:,} of {total:,} bytes. Try again.")
    if digest.hexdigest() != sha256:
        raise AssetError(
            f"{url} is not the expected archive: its SHA-256 is {digest.hexdigest()}, expected {sha256}. Nothing of it "
            "was unpacked. Ask its publisher."
        )


def _find_servable(folder: Path, url: str) -> Path:
    """Returns the one folder of an archive, which holds version folders."""
    found = [path for path in folder.iterdir() if path.is_dir() and version_dirs(path)]
    if len(found) != 1:
        raise AssetError(f"{url} holds no servable: expected one folder with a version folder in it. Was it published?")
    return found[0]
