"""Who may talk to the studio."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from tlgan.web.server import create_app
from tlgan.workspace import Workspace

ADDRESS = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[", "localhost.evil"]
)
def test_a_wrong_host_is_refused(client: TestClient, host: str) -> None:
    answer = client.get("/api/describe", headers={"host": host})
    assert answer.status_code == 403
    assert "host" in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:9", "[::1]:8000", "localhost"])
def test_loopback_by_any_name_is_served(client: TestClient, host: str) -> None:
    assert client.get("/api/describe", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:9999", "null"])
def test_another_origin_can_neither_post_nor_listen(client: TestClient, origin: str) -> None:
    answer = client.post("/api/measure", json={"face": {"seed": 1}}, headers={"origin": origin})
    assert answer.status_code == 403
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/live", headers={"origin": origin, "host": "127.0.0.1:8000"}),
    ):
        pass


def test_the_page_itself_and_scripts_can(client: TestClient) -> None:
    face = {"face": {"seed": 1}}
    assert client.post("/api/measure", json=face, headers={"origin": ADDRESS}).status_code == 200
    assert client.post("/api/measure", json=face).status_code == 200
    headers = {"origin": ADDRESS, "host": "127.0.0.1:8000"}
    with client.websocket_connect("/live", headers=headers) as socket:
        assert socket.receive_json()["version"] == 1


def test_every_answer_allows_the_page_alone(client: TestClient) -> None:
    for path in ("/", "/main.js", "/api/describe", "/api/", "/nothing", "/../wire.py"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_files_beside_the_page_are_not_served(client: TestClient) -> None:
    for path in ("/../wire.py", "/..%2fwire.py", "/%2e%2e/app.py", "//etc/passwd"):
        assert client.get(path).status_code == 404


def test_elsewhere_a_token_is_asked_for(cartoons: Workspace) -> None:
    app = create_app(cartoons, hosts=None, token="secret")
    with TestClient(app, base_url="http://box.lan:8000") as client:
        for path in ("/", "/api/describe", "/?token=wrong", "/main.js"):
            assert client.get(path).status_code == 401
        headers = {"host": "box.lan:8000"}
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live", headers=headers):
            pass
        assert client.get("/api/describe", headers={"authorization": "Bearer secret"}).status_code == 200
        assert client.get("/api/describe", headers={"authorization": "Bearer wrong"}).status_code == 401

        opened = client.get("/?token=secret", follow_redirects=False)
        assert opened.status_code == 303
        assert "token" not in opened.headers["location"]
        cookie = opened.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert client.get("/").status_code == 200  # the cookie is enough from now on
        given = {"cookie": opened.headers["set-cookie"].partition(";")[0]}
        with client.websocket_connect("/live", headers=headers | given) as socket:
            assert socket.receive_json()["version"] == 1
