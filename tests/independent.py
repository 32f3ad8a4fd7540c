"""What readers that are not ours find in a file that says what it is."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from typing import Any

MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
EXIFTOOL = shutil.which("exiftool") is not None


def by_exiftool(data: bytes) -> dict[str, Any]:
    """Every property that exiftool knows; it must find nothing to complain of."""
    told = subprocess.run(["exiftool", "-j", "-"], input=data, capture_output=True, check=True).stdout
    words: dict[str, Any] = json.loads(told)[0]
    assert not {"Warning", "Error"} & set(words), words
    return words


def by_c2pa(data: bytes, mime: str = "image/png") -> dict[str, Any]:
    """The manifests and their state, by the reader of c2pa-python alone."""
    import c2pa

    with c2pa.Reader(mime, io.BytesIO(data)) as reader:
        store: dict[str, Any] = json.loads(reader.json())
    return store
