"""Fetching a servable: what lies at an address is what its hash says, or nothing is unpacked."""

import contextlib
import functools
import gzip
import hashlib
import http.server
import io
import shutil
import ssl
import subprocess
import tarfile
import threading

import pytest

from deepfake_tf import archives
from deepfake_tf.detector import Detector
from deepfake_tf.errors import AssetError, ConfigError
from tests.test_docker import DOCKER

HASH = "0" * 64


def tar_gz(*members, **options):
    """An archive of (name, data) pairs, or of TarInfo objects."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.USTAR_FORMAT, **options) as tar:
        for member in members:
            info, data = member if isinstance(member, tuple) else (member, b"")
            info = tarfile.TarInfo(info) if isinstance(info, str) else info
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def odd(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


GOOD = tar_gz(("detector-3/3/saved_model.pb", b"graph"), ("detector-3/LICENSE", b"terms"))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        code, headers, body = self.server.answers[self.path]
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A web server over TLS on this machine, with a certificate that was made for it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate, and is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    subprocess.run([str(DOCKER / "certificates.sh"), str(folder), "localhost"], check=True, capture_output=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.answers, server.asked, server.ca = {}, [], folder / "ca.pem"
    server.url = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetch(site, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(site.ca))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    site.asked.clear()
    site.answers = {"/good": (200, {"Content-Length": str(len(GOOD))}, GOOD)}
    cache = tmp_path / "deepfake-tf" / "servables"

    def fetch(path="/good", digest=None):
        body = site.answers[path][2] if path in site.answers else b""
        return archives.fetch_servable(site.url + path, digest or sha256(body))

    yield fetch
    # Whatever happened, nothing half done stays.
    assert all(len(path.name) == 64 for path in (cache.iterdir() if cache.is_dir() else []))


def test_what_the_hash_says_is_unpacked_once(fetch, site, tmp_path):
    folder = fetch()
    assert (folder / "3" / "saved_model.pb").read_bytes() == b"graph"
    assert folder == tmp_path / "deepfake-tf" / "servables" / sha256(GOOD) / "detector-3"
    assert fetch(digest=sha256(GOOD).upper()) == folder
    assert site.asked == ["/good"]


def test_anything_else_is_refused_and_leaves_nothing(fetch, site, tmp_path):
    with pytest.raises(AssetError, match=f"its SHA-256 is {sha256(GOOD)}, expected {HASH}. Nothing of it was unpacked"):
        fetch(digest=HASH)
    assert list((tmp_path / "deepfake-tf" / "servables").iterdir()) == []


@pytest.mark.parametrize(
    ("url", "digest", "message"),
    [
        ("http://localhost/x", HASH, "over TLS only"),
        ("ftp://localhost/x", HASH, "over TLS only"),
        ("file:///etc/passwd", HASH, "over TLS only"),
        ("https://localhost/x", None, "name its SHA-256 as well"),
        ("https://localhost/x", "abc", "64 hexadecimal digits. Received: 'abc'"),
        ("https://localhost/x", "../" * 21 + "x", "64 hexadecimal digits"),
    ],
)
def test_without_tls_or_hash_nothing_is_asked(monkeypatch, url, digest, message):
    monkeypatch.setattr(archives.urllib.request, "build_opener", lambda *_: pytest.fail("it was asked"))
    with pytest.raises(AssetError, match=message):
        Detector.load(url, sha256=digest)


def test_a_hash_belongs_to_an_address(tmp_path):
    with pytest.raises(ConfigError, match="belongs to an https address"):
        Detector.load(tmp_path, sha256=HASH)


def test_a_server_that_cannot_prove_who_it_is_is_refused(fetch, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(AssetError, match=r"cannot be fetched: .*CERTIFICATE_VERIFY_FAILED"):
        fetch()


def test_a_way_out_of_tls_is_not_followed(fetch, site):
    site.answers["/away"] = (302, {"Location": "http://localhost:9/good"}, b"")
    with pytest.raises(AssetError, match="leads on to an address without TLS"):
        fetch("/away")
    site.answers["/on"] = (302, {"Location": f"{site.url}/good"}, b"")
    assert fetch("/on", sha256(GOOD)).name == "detector-3"


def test_answers_that_are_none_are_one_message(fetch, site):
    site.answers["/gone"] = (404, {"Content-Length": "0"}, b"")
    with pytest.raises(AssetError, match="cannot be fetched: Not Found"):
        fetch("/gone")
    site.answers["/cut"] = (200, {"Content-Length": str(len(GOOD) + 10)}, GOOD)
    with pytest.raises(AssetError, match=r"cannot be fetched|ended after"):
        fetch("/cut")


def test_an_archive_that_is_too_large_is_not_kept(fetch, site, monkeypatch):
    monkeypatch.setattr(archives, "MAX_ARCHIVE_BYTES", len(GOOD) - 1)
    with pytest.raises(AssetError, match=r"is larger than the \d+ bytes"):
        fetch()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tar_gz(("../evil", b"x")), "leads out of it"),
        (tar_gz(("/etc/evil", b"x")), "leads out of it"),
        (tar_gz(("a/../../evil", b"x")), "leads out of it"),
        (tar_gz(("a\\..\\evil", b"x")), "leads out of it"),
        (tar_gz(odd("link", tarfile.SYMTYPE, "/etc/passwd")), "neither file nor folder"),
        (tar_gz(odd("link", tarfile.LNKTYPE, "a")), "neither file nor folder"),
        (tar_gz(odd("device", tarfile.CHRTYPE)), "neither file nor folder"),
        (tar_gz(odd("pipe", tarfile.FIFOTYPE)), "neither file nor folder"),
        (tar_gz((odd("header", tarfile.XHDTYPE), b"30 path=../evil\n")), "neither file nor folder"),
        (tar_gz((odd("././@LongLink", tarfile.GNUTYPE_LONGNAME), b"x" * 600)), "neither file nor folder"),
        (tar_gz(("a/1/x", b"1"), ("a/1/x", b"2")), "cannot be unpacked"),
        (tar_gz(("a/1", b"1"), ("a/1/x", b"2")), "cannot be unpacked"),
        (tar_gz(("a/x", b"no version")), "holds no servable"),
        (tar_gz(("a/1/x", b""), ("b/1/x", b"")), "holds no servable"),
        (GOOD[:-20], "cannot be unpacked"),
        (b"not an archive", "cannot be unpacked"),
        (gzip.compress(b"not a tar file"), "cannot be unpacked"),
    ],
    # Not the bytes, which hold the time.
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_archive_with_the_right_hash_may_still_hold_no_tricks(fetch, site, tmp_path, data, message):
    site.answers["/bad"] = (200, {}, data)
    with pytest.raises(AssetError, match=message):
        fetch("/bad")
    assert not list(tmp_path.rglob("evil"))


def test_what_unpacks_to_too_much_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 10**6)
    bomb = tar_gz(("a/1/x", bytes(5 * 10**6)))
    assert len(bomb) < 10**4
    (tmp_path / "bomb").write_bytes(bomb)
    with pytest.raises(AssetError, match="would unpack to more than 1,000,000 bytes"):
        archives.unpack(tmp_path / "bomb", tmp_path / "out")
    monkeypatch.setattr(archives, "MAX_FILES", 3)
    (tmp_path / "many").write_bytes(tar_gz(*((f"a/1/{number}", b"") for number in range(4))))
    with pytest.raises(AssetError, match="or 3 files"):
        archives.unpack(tmp_path / "many", tmp_path / "out2")


def test_a_header_that_lies_about_its_size_is_stopped(tmp_path, monkeypatch):
    info = tarfile.TarInfo("a/1/x")
    info.size = -512
    header = info.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "lie").write_bytes(gzip.compress(header + bytes(1024)))
    with pytest.raises(AssetError):
        archives.unpack(tmp_path / "lie", tmp_path / "out")
    # Zeros without end behind the last member are read no further than the limit.
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 10**5)
    monkeypatch.setattr(archives, "MAX_FILES", 1)
    limited = archives._Limited(io.BytesIO(bytes(10**6)))
    with pytest.raises(AssetError, match="more than 100,000 bytes"):
        for _ in iter(functools.partial(limited.read, 4096), b""):
            pass
