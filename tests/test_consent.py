"""What a file names is fetched only where a person agrees, and never from inside their machine or network."""

from __future__ import annotations

import hashlib
import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tlgan import cli, open_workspace
from tlgan.cli import terminal
from tlgan.errors import TlganError
from tlgan.extractors import load_extractor
from tlgan.generators import known_models, loading
from tlgan.io import consent, download, hub
from tlgan.workspace import Settings, Workspace

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Site:
    """A server that gives `CONTENT` for every path, or leads elsewhere; `asked`: what it was asked for."""

    def __init__(self, host: str) -> None:
        self.asked: list[tuple[str | None, str]] = []
        self.leads_to = ""
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append((self.headers["Host"], self.path))
                self.send_response(302 if site.leads_to else 200)
                if site.leads_to:
                    self.send_header("Location", site.leads_to)
                self.send_header("Content-Length", "0" if site.leads_to else str(len(CONTENT)))
                self.end_headers()
                self.wfile.write(b"" if site.leads_to else CONTENT)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer((host, 0), Handler)
        self.port = self.server.server_port
        self.address = f"http://{host}:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Site]]:
    """Start servers on addresses of this machine; the cache is empty and nobody agrees to anything."""
    monkeypatch.setenv("TLGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TLGAN_OFFLINE", raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "_PAUSES", ())
    monkeypatch.setattr(consent, "_ask", None)
    monkeypatch.setattr(consent, "_agreed", set())
    sites: list[Site] = []

    def start(host: str = "127.0.0.1") -> Site:
        sites.append(Site(host))
        return sites[-1]

    yield start
    for site in sites:
        site.server.shutdown()
        site.server.server_close()


@pytest.fixture
def site(serve: Callable[[str], Site]) -> Site:
    return serve("127.0.0.1")


@pytest.fixture
def as_public(site: Site, monkeypatch: pytest.MonkeyPatch) -> str:
    """An address whose host leads to `site`, and which counts as one of the public internet."""
    real = socket.getaddrinfo

    def resolve(host: str, *rest: object, flags: int = 0, **more: object) -> object:
        if host == "public.test" and flags & socket.AI_NUMERICHOST:
            raise socket.gaierror("that is a name")
        return real("127.0.0.1" if host == "public.test" else host, *rest, flags=flags, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(download, "_is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setattr(download, "_check_encrypted", lambda request: None)
    return f"http://public.test:{site.port}/weights"


def workspace(folder: Path, generator: str = "photo64", extractors: tuple[str, ...] = ("colour",)) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "tlgan.toml").write_text(Settings(generator, extractors=extractors).to_toml())
    return folder


# -- nothing is sent before a person agrees --------------------------------------------------------------------


def test_opening_a_workspace_sends_nothing(site: Site, tmp_path: Path) -> None:
    opened = open_workspace(workspace(tmp_path / "ws", f"{site.address}/router/reboot?now=1"))
    with pytest.raises(TlganError, match=r"127\.0\.0\.1, inside this machine"):
        _ = opened.generator
    assert not site.asked


def test_whatever_a_workspace_names_is_asked_for_first(
    site: Site, as_public: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", site.address)
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.address}/pip")
    monkeypatch.setenv("npm_config_registry", site.address)
    refs = [as_public, "hf:owner/repo", "hf:owner/repo/file.pkl", "pypi:package==1.0/file", "npm:package@1.0/file"]
    for ref in refs:
        with pytest.raises(TlganError, match=r"tlgan\.toml asks to fetch .* --yes"):
            _ = open_workspace(workspace(tmp_path / "ws", ref)).generator
    for ref in (as_public + "/model.onnx", "hf:owner/repo", "text:smiling"):
        with pytest.raises(TlganError, match=r"tlgan\.toml asks to fetch .* --yes"):
            _ = open_workspace(workspace(tmp_path / "ws", extractors=(ref,))).extractor
    assert not site.asked


@pytest.mark.parametrize("kind", ["onnx", "classifier", "text"])
def test_what_a_description_names_is_asked_for_first(
    site: Site, as_public: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", site.address)
    model = as_public if kind == "onnx" else "hf:owner/repo"
    described = tmp_path / "given.toml"
    described.write_text(
        f'kind = "{kind}"\nmodel = "{model}"\n[[prompt]]\ntext = "a"\nagainst = "b"\nname = "c"\nkind = "probability"\n'
    )
    with pytest.raises(TlganError, match=r"given\.toml asks to fetch"):
        load_extractor(str(described))
    assert not site.asked


def test_the_backbone_of_a_head_is_asked_for_first(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from safetensors.torch import save_file

    from tlgan.extractors.head import METADATA_KEY

    monkeypatch.setenv("HF_ENDPOINT", site.address)
    described = {"backbone": "hf:owner/repo", "feature": {"name": "curly", "kind": "probability"}}
    tensors = {"weight": torch.zeros(3), "bias": torch.zeros(()), "probe": torch.zeros(3)}
    save_file(tensors, tmp_path / "head.safetensors", {METADATA_KEY: json.dumps(described)})
    with pytest.raises(TlganError, match=r"head\.safetensors asks to fetch hf:owner/repo"):
        load_extractor(str(tmp_path / "head.safetensors"))
    assert not site.asked


# -- who agrees ------------------------------------------------------------------------------------------------


def test_an_answer_is_asked_for_once_and_holds_for_that_reference(
    site: Site, as_public: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions: list[str] = []
    consent.ask_with(lambda what: questions.append(what) or "other" not in what)
    with consent.named_by("given.toml"):
        assert hub.fetch(as_public).read_bytes() == CONTENT
        with pytest.raises(TlganError, match="asks to fetch"):
            hub.fetch(f"{as_public}/other")
        hub._read_here.clear()
        assert hub.fetch(as_public).read_bytes() == CONTENT  # in the cache: no question
    assert questions == [f"given.toml asks to fetch {as_public}", f"given.toml asks to fetch {as_public}/other"]
    assert [host for host, _ in site.asked] == [f"public.test:{site.port}"]


def test_a_pinned_file_of_the_cache_needs_no_question(site: Site) -> None:
    hub.fetch(f"{site.address}/weights")  # named by a person, who may name this machine
    with consent.named_by("given.toml"):
        assert hub.fetch("https://elsewhere.invalid/x", sha256=SHA256).read_bytes() == CONTENT


def test_what_this_package_pins_needs_no_question(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    known = replace(known_models()["photo64"], packaged="", address=f"{site.address}/weights", sha256=SHA256)
    monkeypatch.setattr(loading, "known_model", lambda name: known)
    with consent.named_by("tlgan.toml"):
        assert loading.fetch_generator("known").read_bytes() == CONTENT
    monkeypatch.setattr(loading, "known_model", lambda name: replace(known, sha256=None, address="https://x.test/y"))
    with consent.named_by("tlgan.toml"), pytest.raises(TlganError, match="asks to fetch"):
        loading.fetch_generator("known")


def test_yes_agrees_beforehand(
    site: Site,
    as_public: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Workspace, "axes", property(lambda opened: opened.generator))  # there are none: no need of any
    folder = workspace(tmp_path / "ws", as_public)
    codes = []
    for more in ([], ["--yes"]):
        with pytest.raises(SystemExit) as end:
            cli.main(["edit", str(folder), "-o", str(tmp_path / "o.png"), *more])
        codes.append((end.value.code, len(site.asked)))
        told = capsys.readouterr().err.strip()
        assert told.count("\n") == 0
        assert ("--yes" in told) == (not more)
    assert codes == [(1, 0), (1, 1)]  # what came is no generator: told in one line
    assert consent._ask is None


def test_a_workspace_opened_with_fetch_agrees(site: Site, as_public: str, tmp_path: Path) -> None:
    with pytest.raises(TlganError, match="checkpoint"):  # fetched, and no generator
        _ = open_workspace(workspace(tmp_path / "ws", as_public), fetch=True).generator
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    ("typed", "agreed"), [("y\n", True), ("Yes\n", True), ("\n", False), ("", False), ("n\n", False)]
)
def test_a_person_at_a_terminal_is_asked(typed: str, agreed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    assert terminal.ask("ws/tlgan.toml asks to fetch \x1b[2Khttps://x/[/y]") == agreed
    assert "\\x1b[2Khttps://x/[/y]" in shown.getvalue()
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert not terminal.ask("from a pipe")


# -- where it may lead -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.2",
        "2130706433",
        "0x7f.1",
        "0.0.0.0",
        "localhost",
        "10.0.0.1",
        "172.16.3.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fd00::1]",
        "[ff02::1]",
        "[::ffff:127.0.0.1]",
        "[2002:7f00:1::]",
        "[64:ff9b::7f00:1]",
    ],
)
def test_addresses_inside_are_refused(host: str) -> None:
    with pytest.raises(TlganError, match="inside this machine or its network"):
        download.check_public(f"https://{host}:8080/x")


@pytest.mark.parametrize("host", ["1.1.1.1", "[2606:4700::1111]", "[2002:101:101::]"])
def test_public_addresses_are_not(host: str) -> None:
    assert download.check_public(f"https://{host}/x")


def test_one_address_inside_among_several_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 0)) for ip in ("1.1.1.1", "192.168.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(TlganError, match=r"192\.168\.0\.1"):
        download.check_public("https://two.test/x")


def test_agreeing_does_not_open_the_network_behind_a_redirect(
    site: Site, as_public: str, serve: Callable[[str], Site]
) -> None:
    inside = serve("127.0.0.2")
    site.leads_to = f"{inside.address}/router/reboot?now=1"
    with consent.named_by("tlgan.toml", agreed=True), pytest.raises(TlganError, match=r"leads to 127\.0\.0\.2"):
        hub.fetch(as_public)
    assert len(site.asked) == 1
    assert not inside.asked
    assert hub.fetch(as_public).read_bytes() == CONTENT  # named by a person
    assert len(inside.asked) == 1


def test_a_relative_redirect_stays_at_its_host(site: Site, as_public: str, monkeypatch: pytest.MonkeyPatch) -> None:
    site.leads_to = "/elsewhere"
    with consent.named_by("tlgan.toml", agreed=True), pytest.raises(TlganError, match="redirect"):
        hub.fetch(as_public)
    assert {host for host, _ in site.asked} == {f"public.test:{site.port}"}


def test_a_name_that_leads_elsewhere_a_moment_later(
    site: Site, as_public: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo
    asked = []

    def once(host: str, *rest: object, **more: object) -> object:
        if host == "public.test" and not more.get("flags"):
            asked.append(host)
            if len(asked) > 1:
                raise AssertionError("the name was looked up again after it was checked")
        return resolve(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", once)
    with consent.named_by("tlgan.toml", agreed=True):
        assert hub.fetch(as_public).read_bytes() == CONTENT
    assert asked == ["public.test"]


def test_behind_a_proxy_names_are_checked_too(
    as_public: str, serve: Callable[[str], Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve("127.0.0.1")
    monkeypatch.setenv("http_proxy", proxy.address)
    with consent.named_by("tlgan.toml", agreed=True):
        with pytest.raises(TlganError, match=r"leads to 192\.168\.1\.1"):
            hub.fetch("http://192.168.1.1/router")
        assert not proxy.asked
        assert hub.fetch(as_public).read_bytes() == CONTENT
    assert len(proxy.asked) == 1
