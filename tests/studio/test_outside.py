"""The studio behind proxies: under a path, under another name, in a frame; and what is said where that was not foreseen."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from tests.studio.proxy import proxied
from tests.studio.watched import Watched
from tlgan import TlganError
from tlgan.web.label import create_app as label_app
from tlgan.web.server import Outside, create_app, running
from tlgan.web.server import server as studio_server
from tlgan.workspace import Workspace

HUB = "https://hub.example.org"
UNDER = "/user/me/proxy/8000"
FACE = {"face": {"seed": 1}}


def _client(cartoons: Workspace, base: str = "http://127.0.0.1:8000", **options: Any) -> TestClient:
    return TestClient(create_app(cartoons, **options), base_url=base, follow_redirects=False)


def _port(address: str) -> int:
    return int(address.split(":")[2].split("/")[0])


@pytest.mark.parametrize(
    ("path", "lands"),
    [
        ("/?token=secret", "/"),
        ("/main.js?token=secret", "/main.js"),
        ("/api/random?seed=7&token=secret", "/api/random?seed=7"),
        ("//evil.example?token=secret", "/evil.example"),
        ("/a%0d%0ab?token=secret", "/a%0D%0Ab"),
    ],
)
def test_every_redirect_stays_under_the_proxy_s_path(cartoons: Workspace, path: str, lands: str) -> None:
    client = _client(cartoons, token="secret")
    answer = client.get("http://127.0.0.1:8000" + path)
    assert answer.status_code == 303
    seen = f"{HUB}{UNDER}{path.replace('//', '/')}"
    assert urljoin(seen, answer.headers["location"]) == f"{HUB}{UNDER}{lands}"


@pytest.mark.parametrize("path", ["/api", "/api/describe/", "/main.js/", "/label", "/api/?x=1"])
def test_no_answer_names_an_absolute_address(cartoons: Workspace, path: str) -> None:
    session: Any = SimpleNamespace(look=lambda: None)
    for app in (create_app(cartoons), label_app(session)):
        with TestClient(app, base_url="http://127.0.0.1:8000", follow_redirects=False) as client:
            assert client.get(path).headers.get("location", "./").startswith("./")


def test_a_proxy_that_leaves_the_path_needs_to_be_told(cartoons: Workspace) -> None:
    with _client(cartoons, outside=Outside(path=UNDER), token="secret") as client:
        headers = {"authorization": "Bearer secret"}
        assert client.get(UNDER + "/api/describe", headers=headers).status_code == 200
        assert client.get(UNDER + "/main.js", headers=headers).status_code == 200
        assert client.get("/api/describe", headers=headers).status_code == 200  # one that cuts the path off
        bare = client.get(f"{UNDER}?token=secret")
        assert urljoin(HUB + UNDER, bare.headers["location"]) == f"{HUB}{UNDER}/?token=secret"
        opened = client.get(f"{UNDER}/?token=secret")
        assert urljoin(f"{HUB}{UNDER}/", opened.headers["location"]) == f"{HUB}{UNDER}/"
        assert "path=" not in opened.headers["set-cookie"].lower()  # not sent to the neighbours of the path
        with client.websocket_connect(UNDER + "/live", headers=headers | {"host": "127.0.0.1"}) as socket:
            assert socket.receive_json()["version"] == 1


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "hub.example.org"])  # rewritten on the way, or passed on
def test_a_named_proxy_can_do_what_the_page_can(cartoons: Workspace, host: str) -> None:
    headers = {"host": host, "origin": HUB}
    with _client(cartoons, outside=Outside(hosts=("hub.example.org",))) as client:
        assert client.get("/", headers=headers).status_code == 200
        assert client.post("/api/measure", json=FACE, headers=headers).status_code == 200
        with client.websocket_connect("/live", headers=headers) as socket:
            assert socket.receive_json()["version"] == 1
        for other in ("https://hub.example.org:9999", "https://evil.example", "null", HUB + ".evil.example"):
            assert client.post("/api/measure", json=FACE, headers={"host": host, "origin": other}).status_code == 403
        assert client.get("/", headers={"host": "evil.example"}).status_code == 403


def test_a_refusal_names_what_to_do_to_people_and_to_programs(cartoons: Workspace) -> None:
    with _client(cartoons) as client:
        told = client.get("/", headers={"host": "<b>hub.example.org", "accept": "text/html,*/*"})
        assert told.status_code == 403
        assert "--allowed-host &lt;b&gt;hub.example.org" in told.text
        assert "default-src 'none'" in told.headers["content-security-policy"]
        line = client.post("/api/measure", json=FACE, headers={"origin": HUB + ":8443"}).json()["error"]
        assert "takes no requests from the page at https://hub.example.org:8443" in line
        assert line.endswith("--allowed-host hub.example.org:8443")
        with pytest.raises(WebSocketDisconnect) as refused:
            client.websocket_connect("/live", headers={"host": "127.0.0.1", "origin": HUB}).__enter__()
        assert "--allowed-host hub.example.org" in refused.value.json()["error"]  # type: ignore[attr-defined]
    with _client(cartoons, token="secret") as client:
        assert "--allow-frame" in client.get("/", headers={"accept": "text/html"}).text


def test_only_named_sites_frame_the_page_and_cookies_live_there(cartoons: Workspace) -> None:
    with _client(cartoons, token="secret") as client:
        opened = client.get("/?token=secret")
        assert opened.headers["content-security-policy"].endswith("frame-ancestors 'none'")
        assert "SameSite=Strict" in opened.headers["set-cookie"]
        assert "secret" not in opened.headers["set-cookie"]
    outside = Outside(frames=(HUB, "http://localhost:8888"))
    with _client(cartoons, token="secret", outside=outside) as client:
        opened = client.get("/?token=secret")
        assert opened.headers["content-security-policy"].endswith(f"frame-ancestors {HUB} http://localhost:8888")
        assert "SameSite=None; Secure; Partitioned" in opened.headers["set-cookie"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"hosts": ("https://hub.example.org",)}, "NAME or NAME:PORT"),
        ({"hosts": ("*",)}, "NAME or NAME:PORT"),
        ({"hosts": ("",)}, "NAME or NAME:PORT"),
        ({"path": "/a/../b"}, "expected one like /user/me"),
        ({"path": "/a?b"}, "expected one like /user/me"),
        ({"path": "//a"}, "expected one like /user/me"),
        ({"frames": ("*",)}, "expected one like https"),
        ({"frames": ("https://a.example; script-src *",)}, "expected one like https"),
        ({"frames": ("https://a.example/path",)}, "expected one like https"),
        ({"frames": ("javascript:alert(1)",)}, "expected one like https"),
    ],
)
def test_what_is_no_name_path_or_origin_is_one_clear_line(given: dict[str, Any], says: str) -> None:
    with pytest.raises(TlganError, match=says):
        Outside(**given)


def test_the_printed_address_carries_path_and_token(
    cartoons: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import uvicorn

    monkeypatch.setattr(uvicorn.Server, "run", lambda *_, **__: None)
    outside = Outside(hosts=("hub.example.org",), path=UNDER.lstrip("/") + "/")
    studio_server.serve(cartoons, port=0, open_browser=False, outside=outside)
    local, other = capsys.readouterr().out.splitlines()[:2]
    token = local.partition("?token=")[2]
    assert len(token) >= 20  # who reaches the proxy reaches the studio
    assert f"{UNDER}/?token={token}" in local
    assert other == f"from outside: {HUB}{UNDER}/?token={token}"


def test_under_a_path_the_printed_query_opens_the_page_through_the_proxy(cartoons: Workspace) -> None:
    with running(cartoons, token="secret") as address, proxied(_port(address), under=UNDER) as seen:
        assert address.endswith("/?token=secret")
        with httpx.Client(follow_redirects=True) as browser:
            answer = browser.get(seen + "?token=secret")
            assert (answer.status_code, str(answer.url)) == (200, seen)
            assert browser.get(seen + "api").url.path == f"{UNDER}/api/"


@pytest.mark.browser
def test_the_page_works_behind_a_proxy_that_rewrites_host_and_path(browser: Any, cartoons: Workspace) -> None:
    with proxied(port := _free_port(), under=UNDER, host="127.0.0.1") as seen:
        outside = Outside(hosts=(seen.split("/")[2],))
        with running(cartoons, port=port, token="secret", outside=outside):
            watched = Watched(browser, seen)
            page = watched.open("?token=secret#seed=7")
            page.evaluate("window.studio.set({skin: 1})")
            while not page.evaluate("window.studio.idle() && window.studio.changes().skin > 0.5"):
                page.wait_for_timeout(20)
            assert page.url.partition("#")[0] == seen  # the token is gone from it
            assert page.locator("#connection").is_hidden()
            watched.context.close()
            assert watched.faults == []


@pytest.mark.browser
@pytest.mark.parametrize(
    ("proxy", "says"),
    [
        ({"host": "127.0.0.1"}, "--allowed-host 127.0.0.1:"),
        ({"websockets": False}, "a proxy on the way has to pass on ws://"),
    ],
)
def test_a_page_that_is_refused_says_why_and_stops(
    browser: Any, cartoons: Workspace, proxy: dict[str, Any], says: str
) -> None:
    with running(cartoons) as address, proxied(_port(address), under=UNDER, **proxy) as seen:
        watched = Watched(browser, seen)
        page = watched.open()
        box = page.locator("#connection")
        box.get_by_text(says).wait_for()
        tried: list[str] = []
        page.on("websocket", lambda socket: tried.append(socket.url))
        page.wait_for_timeout(1500)
        assert tried == []
        watched.context.close()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
