"""What is fetched is pinned; what is installed can be listed and looked up."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tlgan.generators.catalogue import known_models
from tlgan.generators.picture_head import load_head
from tlgan.web.publish.runtime import FILES

AUDIT = Path(__file__).parents[1] / "recipes" / "audit.py"


def test_every_package_that_tlgan_names_is_pinned_with_all_that_is_taken_out_of_it() -> None:
    packaged = [model for model in known_models().values() if model.address.startswith(("pypi:", "npm:"))]
    assert {"faces1024", "face64"} <= {model.name for model in packaged}
    for model in packaged:
        pins = [*model.members.values(), model.fingerprint] if model.members else [model.sha256]
        assert all(len(pin or "") == 64 for pin in (model.archive_sha256, *pins)), model.name
    assert all(len(sha256) == 64 for _, sha256 in FILES.values())


def test_the_pin_of_a_conversion_is_the_generator_that_its_head_was_trained_for() -> None:
    for model in known_models().values():
        if model.members and model.head_file is not None:
            assert load_head(model.head_file).generator == model.fingerprint


@pytest.fixture
def osv() -> Iterator[str]:
    """A service that knows one vulnerability, of `leaky` 1.0."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = asked["package"]["name"]
            affected = [
                {
                    "package": {"name": name, "ecosystem": "PyPI"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
                    "versions": ["1.0"],
                }
            ]
            found = {"id": "PYSEC-1", "summary": "leaks", "modified": "2026-01-01T00:00:00Z", "affected": affected}
            body = json.dumps({"vulns": [found]} if name == "leaky" else {}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/query"
    server.shutdown()
    server.server_close()


def audit(folder: Path, address: str, *names: str) -> tuple[int, str]:
    """What the recipe says of packages of these names, all in version 1.0."""
    for name in names:
        (folder / f"{name}-1.0.dist-info").mkdir(parents=True)
        (folder / f"{name}-1.0.dist-info" / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        )
    command = [sys.executable, str(AUDIT), "--osv-url", address, "--path", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_known_vulnerabilities_are_told(osv: str, tmp_path: Path) -> None:
    pytest.importorskip("pip_audit")
    code, said = audit(tmp_path / "some", osv, "leaky", "tight")
    assert said.splitlines() == [
        "leaky 1.0: PYSEC-1, mended in 1.1",
        "2 packages looked up, 1 vulnerabilities known",
    ]
    assert code == 1
    assert audit(tmp_path / "none", osv, "tight") == (0, "1 packages looked up, 0 vulnerabilities known\n")


def test_a_service_that_can_not_be_asked_is_not_taken_for_a_clean_bill(tmp_path: Path) -> None:
    pytest.importorskip("pip_audit")
    code, said = audit(tmp_path, "http://127.0.0.1:9/query", "tight")
    assert code == 2
    assert said.startswith("not checked: ")
    assert len(said.splitlines()) == 1
