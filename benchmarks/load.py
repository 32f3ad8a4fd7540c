"""Many people at one studio, over loopback: sliders, silent and slow connections, long requests, memory.

    python benchmarks/load.py faces                    # a workspace made by `tlgan discover` or `tlgan demo`
    python benchmarks/load.py faces --seconds 600      # the longest: an hour of a person's requests and more
    python benchmarks/load.py faces --clients 20 --json

The server runs in a process of its own, the clients in this one. A slider asks for its next picture when the last one is
there; its delay is from asking to the picture. All clients move at once, then one moves beside connections that say
nothing, stop in the middle of a request or never read, then one beside each kind of long request; at last the long ones
come over and over, for the server's memory. Each of these parts takes its share of `--seconds`. Everything is bounded and stays on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from websockets.asyncio.client import ClientConnection, connect

SILENT, HALF, SLOW, DEAF = 128, 64, 32, 8
MOST_SECONDS, MOST_CLIENTS = 600.0, 200
WAKE = b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    seconds, clients = min(options.seconds, MOST_SECONDS), min(options.clients, MOST_CLIENTS)
    with studio(options.workspace) as (address, server):
        found = asyncio.run(measure(address, server, options.workspace, seconds, clients))
    if options.json:
        print(json.dumps(found))
    else:
        report(found)


async def measure(
    address: str, server: psutil.Process, workspace: Path, seconds: float, clients: int
) -> dict[str, Any]:
    """All parts, one after another."""
    import tlgan

    name = tlgan.open(workspace).axes.names[0]
    await ask(address, "describe")
    async with httpx.AsyncClient() as browser:
        await browser.get(address, timeout=120)
    await moved(address, name, 1.0)  # what is set up once
    found: dict[str, Any] = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "clients": clients}
    found["alone"] = delays(await moved(address, name, seconds / 12))
    memory = [server.memory_info().rss]
    each: list[list[float]] = []
    for _ in range(3):
        parts = await asyncio.gather(*(moved(address, name, seconds / 9, seed=k) for k in range(clients)))
        each = [a + b for a, b in zip(each, parts, strict=True)] if each else list(parts)
        memory.append(server.memory_info().rss)
    told(found)
    found["together"] = delays([delay for client in each for delay in client]) | {
        "worst_p95": max(delays(client)["p95"] for client in each),
        "fewest": min(map(len, each)),
        "most": max(map(len, each)),
    }
    found["memory_mb"] = [round(rss / 1e6, 1) for rss in memory]
    told(found)
    async with hostile(address):
        begun = time.perf_counter()
        await ask(address, "describe")
        found["let_in_ms"] = 1000 * (time.perf_counter() - begun)
        found["beside_silent"] = delays(await moved(address, name, seconds / 12))
        found["memory_mb"].append(round(server.memory_info().rss / 1e6, 1))
    found["beside_long"] = {}
    for verb, body in long_requests(name).items():
        told(found)
        found["beside_long"][verb] = await beside(address, name, verb, body, seconds / 3)
    found["memory_long_mb"], begun = [], time.perf_counter()
    while not found["memory_long_mb"] or time.perf_counter() - begun < seconds / 6:
        for verb, body in long_requests(name).items():
            await ask(address, verb.split()[0], body)
        found["memory_long_mb"].append(round(server.memory_info().rss / 1e6, 1))
    return found


def told(found: dict[str, Any]) -> None:
    """What is known so far, so that a run that is cut off was not for nothing."""
    print(json.dumps(found), file=sys.stderr, flush=True)


async def moved(
    address: str, name: str, seconds: float, seed: int = 7, until: asyncio.Task[Any] | None = None
) -> list[float]:
    """Milliseconds from asking to picture, of a slider that moves for so long, or until something is done."""
    found = []
    async with live(address) as page:
        begun = time.perf_counter()
        k = 0
        while time.perf_counter() - begun < seconds and not (until and until.done()):
            k += 1
            asked = time.perf_counter()
            await page.send(json.dumps({"id": k, "face": {"seed": seed, "asked": {name: float(np.sin(k / 10))}}}))
            while not isinstance(await page.recv(), bytes):
                pass
            found.append(1000 * (time.perf_counter() - asked))
    return found


async def beside(address: str, name: str, verb: str, body: Any, most: float) -> dict[str, Any]:
    """The delays of a slider while a long request runs, for `most` seconds at most, and how long it took."""
    begun = time.perf_counter()
    asking = asyncio.create_task(ask(address, verb.split()[0], body))
    found = delays(await moved(address, name, most, until=asking))
    if not asking.done():
        asking.cancel()  # longer than there is time for: the server drops it
    status = (await asyncio.gather(asking, return_exceptions=True))[0]
    return found | {"seconds": time.perf_counter() - begun, "status": status if isinstance(status, int) else "given up"}


def long_requests(name: str) -> dict[str, Any]:
    """Verb and what distinguishes it, with its body."""
    face = {"seed": 3, "asked": {name: 2.0}, "exact": True}
    return {
        "strip of 15, exact": {"face": face, "feature": name, "asked": list(np.linspace(-3, 3, 15))},
        "gallery of a wish": {"wanted": {name: 2.0}, "count": 48},
        "film of 240": {"a": {"seed": 1}, "b": {"seed": 2}, "frames": 240},
        "open (32 MB)": picture(32 << 20),
    }


def picture(size: int) -> bytes:
    """A PNG of about so many bytes."""
    from PIL import Image

    side = int((size / 3) ** 0.5)
    buffer = io.BytesIO()
    Image.frombytes("RGB", (side, side), secrets.token_bytes(3 * side * side)).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


async def ask(address: str, verb: str, body: Any = None) -> int:
    """The status of a verb's answer."""
    async with httpx.AsyncClient(timeout=600) as browser:
        if body is None:
            return (await browser.get(f"{address}api/{verb}")).status_code
        if isinstance(body, bytes):
            return (
                await browser.post(f"{address}api/{verb}", content=body, headers={"Content-Type": "image/png"})
            ).status_code
        return (await browser.post(f"{address}api/{verb}", json=body)).status_code


@contextlib.asynccontextmanager
async def live(address: str) -> AsyncIterator[ClientConnection]:
    """A page's websocket, greeted."""
    async with connect(
        address.replace("http", "ws") + "live", max_size=None, compression=None, open_timeout=60
    ) as page:
        await page.recv()
        yield page


@contextlib.asynccontextmanager
async def hostile(address: str) -> AsyncIterator[None]:
    """Connections that say nothing, half a head, half a body, and websockets that ask without reading."""
    port = int(address.split(":")[2].split("/")[0])
    silent = b""
    half = b"GET / HTTP/1.1\r\nHost: 127"
    slow = b"POST /api/open HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nContent-Length: 60000000\r\n\r\n"
    writers = []
    for count, first in ((SILENT, silent), (HALF, half), (SLOW, slow), (DEAF, WAKE)):
        for _ in range(count):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            writer.write(first)
            writers.append(writer)

    async def drip() -> None:
        while True:
            for writer in writers[SILENT : SILENT + HALF + SLOW]:
                with contextlib.suppress(OSError):
                    writer.write(b"x")
            for writer in writers[-DEAF:]:
                with contextlib.suppress(OSError):
                    writer.write(b"\x89\xfd\0\0\0\0" + b"x" * 125)  # a ping, whose pong is not read
            await asyncio.sleep(0.2)

    dripping = asyncio.create_task(drip())
    try:
        yield
    finally:
        dripping.cancel()
        for writer in writers:
            writer.transport.abort()


@contextlib.contextmanager
def studio(workspace: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The studio in a process of its own, as a person runs it."""
    code = "import sys, tlgan, tlgan.web.server as s; s.serve(tlgan.open(sys.argv[1]), port=0, open_browser=False)"
    process = subprocess.Popen([sys.executable, "-c", code, str(workspace)], stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().split()[-1], psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def delays(found: list[float]) -> dict[str, Any]:
    """What is told of milliseconds."""
    if not found:
        return {"pictures": 0, "p50": float("nan"), "p95": float("nan"), "worst": float("nan")}
    p50, p95 = np.percentile(found, [50, 95])
    return {"pictures": len(found), "p50": float(p50), "p95": float(p95), "worst": float(max(found))}


def report(found: dict[str, Any]) -> None:
    """The figures in words."""
    line = "{pictures:6} pictures, p50 {p50:6.0f} ms, p95 {p95:6.0f} ms, worst {worst:6.0f} ms".format
    together = found["together"]
    print(f"{found['cores']} cores, load average {found['load']:.1f} before it began")
    print(f"one slider alone        {line(**found['alone'])}")
    print(f"{found['clients']:3} sliders at once     {line(**together)}")
    print(
        f"                        worst p95 of one {together['worst_p95']:.0f} ms; each {together['fewest']} to {together['most']} pictures"
    )
    print(
        f"beside {SILENT} silent, {HALF} half heads, {SLOW} slow bodies, {DEAF} that don't read: let in after {found['let_in_ms']:.0f} ms"
    )
    print(f"                        {line(**found['beside_silent'])}")
    for verb, beside in found["beside_long"].items():
        print(f"beside {verb:16} {line(**beside)}; it took {beside['seconds']:.1f} s ({beside['status']})")
    print(f"memory, MB: {', '.join(map(str, found['memory_mb']))}")
    print(f"after each round of all long requests: {', '.join(map(str, found['memory_long_mb']))}")


if __name__ == "__main__":
    main()
