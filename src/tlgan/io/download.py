"""One file over HTTP, whole or not at all: what was received before an interruption is gone on with, not fetched again.

The bytes grow in a partial file next to a note of what the server called that version (`ETag` or `Last-Modified`).
The next attempt asks for the rest of that very version (`Range` with `If-Range`, RFC 9110 section 13.1.5); a server
that can't, or whose file has changed, sends everything and the partial file starts again.
"""

from __future__ import annotations

import errno
import hashlib
import ipaddress
import json
import re
import shutil
import socket
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
from filelock import FileLock, Timeout

from tlgan.errors import Refused, TlganError

from .foreign import json_of

_PAUSES = (0.2, 1.0, 3.0)  # seconds between attempts
_HTML = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head)\b", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


def download(
    url: str,
    folder: Path,
    *,
    pinned: bool,
    public: bool = False,
    progress: Callable[[int, int | None], None],
    limit: int,
) -> Path:
    """The file at `url`, as a file in `folder` that the caller moves away.

    `pinned` says that the caller knows the sha256: only then may plain http be used beyond this machine. With `public`
    every address on the way, redirects too, must be one of the public internet. Raises
    `TlganError` on a refusal, a web page in place of a file, a file over `limit` bytes, a full disk or a lost
    connection; after a lost connection the partial file stays for the next call.
    """
    name = hashlib.sha256(url.encode()).hexdigest()
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(folder / f"{name}.lock", timeout=0))
        except Timeout:
            raise TlganError(f"{url} is being fetched by another process: wait for it, then try again") from None
        except OSError as error:
            raise TlganError(f"can't write to {folder}: {error.strerror}") from error
        partial = folder / f"{name}.part"
        client = stack.enter_context(_client(pinned, public))
        for pause in (*_PAUSES, None):
            try:
                _attempt(client, url, partial, pinned, progress, limit)
                partial.with_suffix(".json").unlink(missing_ok=True)
                return partial
            except (httpx.RequestError, _Incomplete) as error:
                if pause is None:
                    kept = partial.stat().st_size if partial.exists() else 0
                    raise TlganError(
                        f"{url} can't be fetched: {_reason(error)}; {kept} bytes are kept, run the same again to go on"
                    ) from error
                time.sleep(pause)
            except httpx.InvalidURL as error:
                raise TlganError(f"{url} is not an address: {error}") from error
            except TlganError:
                partial.unlink(missing_ok=True)
                raise
            except OSError as error:
                raise TlganError(f"can't write to {folder}: {error.strerror or error}; free some space") from error
    raise AssertionError("unreachable")


def check_public(url: str, *, resolve: bool = True) -> str:
    """One IP address of the host of `url`. Raises TlganError where any of them is not of the public internet.

    Loopback, link-local, private and reserved ranges are refused: a request there reaches what only this machine can.
    Without `resolve` a host is looked at where it is an address already, in any notation; nothing is sent for that.
    """
    flags = 0 if resolve else socket.AI_NUMERICHOST
    try:
        found = socket.getaddrinfo(httpx.URL(url).host, None, type=socket.SOCK_STREAM, flags=flags)
    except httpx.InvalidURL as error:
        raise TlganError(f"{url} is not an address: {error}") from error
    except (OSError, UnicodeError) as error:
        if not resolve:
            return ""
        raise TlganError(f"the host of {url} can't be found ({error}), so it can't be checked: not fetched") from None
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    for address in addresses:
        if not _is_public(address):
            raise Refused(
                f"{url} leads to {address}, inside this machine or its network: a file may not ask for that; "
                "if you want it, name the address yourself on the command line"
            )
    return addresses[0]


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inside = ip.ipv4_mapped or ip.sixtofour or (ip in _NAT64 and ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if inside:
            return _is_public(str(inside))
    return ip.is_global and not ip.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class _PublicTransport(httpx.HTTPTransport):
    """Connects to the very address that was checked, so that a name can't lead elsewhere a moment later."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url, address = request.url, check_public(str(request.url))
        return super().handle_request(
            httpx.Request(
                request.method,
                url.copy_with(host=address),
                headers=request.headers,  # "Host" among them
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": url.host},
            )
        )


def _client(pinned: bool, public: bool) -> httpx.Client:
    hooks = [] if pinned else [_check_encrypted]
    transport = None
    if public and urllib.request.getproxies():  # a proxy connects: what can be checked is the name
        hooks.append(_check_public_host)
    elif public:
        transport = _PublicTransport()
    return httpx.Client(follow_redirects=True, timeout=30.0, event_hooks={"request": hooks}, transport=transport)


class _Incomplete(Exception):
    """The connection ended before the file did."""


def _attempt(
    client: httpx.Client,
    url: str,
    partial: Path,
    pinned: bool,
    progress: Callable[[int, int | None], None],
    limit: int,
) -> None:
    note = partial.with_suffix(".json")
    have = partial.stat().st_size if partial.exists() else 0
    validator = _read_validator(note)
    headers = {"Accept-Encoding": "identity"}
    if have and (validator or pinned):
        headers["Range"] = f"bytes={have}-"
        if validator:
            headers["If-Range"] = validator
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == 416:  # what is there is as long as the file, or longer: not ours
            partial.unlink(missing_ok=True)
            raise _Incomplete("the server's file has changed")
        if response.status_code >= 500 or response.status_code in (408, 429):
            raise _Incomplete(f"the server answered {response.status_code}")
        if response.status_code not in (200, 206):
            raise TlganError(f"{url} can't be fetched: the server answered {response.status_code}; check the address")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise TlganError(f"{url} is sent compressed although that was not asked for: fetch it with a browser")
        offset = _offset(response, have)
        total = _total(response, offset)
        _check_size(url, total, offset, limit, partial.parent)
        _write_validator(note, response)
        done = offset
        with partial.open("r+b" if offset else "wb") as file:
            file.truncate(offset)
            file.seek(offset)
            for chunk in response.iter_raw():
                if done == 0:
                    _check_is_file(url, response, chunk)
                done += len(chunk)
                if done > limit:
                    raise TlganError(f"{url} is over the limit of {limit} bytes: not kept")
                file.write(chunk)
                progress(done, total)
    if total is not None and done != total:
        raise _Incomplete(f"the connection ended after {done} of {total} bytes")
    if done == 0:
        raise TlganError(f"{url} is empty: the server sent no bytes")


def _check_public_host(request: httpx.Request) -> None:
    check_public(str(request.url))


def _check_encrypted(request: httpx.Request) -> None:
    if request.url.scheme != "https" and request.url.host not in ("localhost", "127.0.0.1", "::1"):
        raise TlganError(f"{request.url} is not encrypted: use https, or pin the file's sha256")


def _offset(response: httpx.Response, have: int) -> int:
    if response.status_code == 200:
        return 0
    match = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
    if match is None or int(match[1]) != have:
        raise TlganError(f"{response.url} answered a range that was not asked for: try again later")
    return have


def _total(response: httpx.Response, offset: int) -> int | None:
    if match := re.search(r"/(\d+)$", response.headers.get("content-range", "")):
        return int(match[1])
    length = response.headers.get("content-length", "")
    return offset + int(length) if length.isdigit() else None


def _check_size(url: str, total: int | None, offset: int, limit: int, folder: Path) -> None:
    if total is None:
        return
    if total > limit:
        raise TlganError(f"{url} has {total} bytes, over the limit of {limit}: not fetched")
    if total - offset > shutil.disk_usage(folder).free:
        raise OSError(errno.ENOSPC, f"{total - offset} bytes are needed")  # not a TlganError: what is there stays


def _check_is_file(url: str, response: httpx.Response, head: bytes) -> None:
    declared = response.headers.get("content-type", "").startswith("text/html")
    if not declared and _HTML.match(head[:4096]) is None:
        return
    match = _TITLE.search(head[:65536])
    title = f" titled {' '.join(match[1].decode('utf-8', 'replace').split())[:80]!r}" if match else ""
    raise TlganError(
        f"{url} answered with a web page{title}, not with a file: open it in a browser, download the file there, "
        "and give its path"
    )


def _read_validator(note: Path) -> str | None:
    try:
        validator = json_of(note.read_text("utf-8"))["validator"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return validator if isinstance(validator, str) else None


def _write_validator(note: Path, response: httpx.Response) -> None:
    etag = response.headers.get("etag", "")
    strong = etag if etag and not etag.startswith("W/") else None  # a weak tag doesn't promise the same bytes
    note.write_text(json.dumps({"validator": strong or response.headers.get("last-modified")}), "utf-8")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
