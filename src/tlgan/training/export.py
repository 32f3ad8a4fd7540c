"""A trained network as an ONNX file that says of itself what its numbers are."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tlgan.errors import TlganError
from tlgan.extractors import Feature
from tlgan.extractors.description import METADATA_KEY, Description, Head, InputPlan
from tlgan.extractors.onnx_file import EMBEDDING
from tlgan.io.exporting import quiet, strip
from tlgan.io.files import replacing

VALUES = "values"


class Finished(nn.Module):
    """Pictures in [0, 1] -> (values, embedding): probabilities and numbers in their units, ready to use."""

    def __init__(self, network: Any, features: Sequence[Feature], groups: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.network = network.eval()
        self.groups = tuple(groups)
        probability = [f.kind == "probability" for f in features]
        grouped = {column for first, stop in groups for column in range(first, stop)}
        self.single = [column for column, p in enumerate(probability) if p and column not in grouped]
        self.width = len(features)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """[n, 3, size, size] in [0, 1] -> ([n, f], [n, e])."""
        embedding = self.network.embed(images * 2 - 1)
        raw = self.network.head(embedding)
        columns = []
        groups = dict(self.groups)
        column = 0
        while column < self.width:
            stop = groups.get(column, column + 1)
            part = raw[:, column:stop]
            if column in groups:
                part = part.softmax(dim=1)
            elif column in self.single:
                part = part.sigmoid()
            columns.append(part)
            column = stop
        return torch.cat(columns, dim=1), embedding


def check_onnx() -> None:
    """Raise TlganError where ONNX can't be written, before an hour of training, not after it."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise TlganError("writing ONNX needs an extra: pip install 'tlgan[onnx]'") from error


def export_onnx(
    path: Path, network: Any, features: Sequence[Feature], groups: Sequence[tuple[int, int]], size: int
) -> None:
    """Write `path`, atomically, and only if ONNX Runtime gives the same numbers. Raises TlganError otherwise."""
    check_onnx()
    import onnx
    import onnxruntime

    finished = Finished(network, features, groups)
    pictures = torch.rand(4, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = finished(pictures)[0].numpy()
    try:
        with quiet():
            program = torch.onnx.export(
                finished,
                (pictures,),
                dynamo=True,
                input_names=["images"],
                output_names=[VALUES, EMBEDDING],
                dynamic_shapes=({0: torch.export.Dim("n")},),
                opset_version=20,
                verbose=False,
            )
            if program is None:
                raise RuntimeError("the exporter returned nothing")
            buffer = io.BytesIO()
            program.save(buffer)  # type: ignore[arg-type]
    except Exception as error:  # the exporter raises whatever its many passes raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TlganError(f"this network can't be written as ONNX ({reason[:200]})") from error
    model = onnx.load_from_string(buffer.getvalue())
    strip(model)
    heads = tuple(Head(feature, VALUES, column) for column, feature in enumerate(features))
    description = Description(model=path.name, input=InputPlan(size=size), heads=heads)
    onnx.helper.set_model_props(model, {METADATA_KEY: description.to_toml()})
    data = model.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    found = session.run([VALUES], {"images": pictures.numpy()})[0]
    spread = np.abs(expected).max(initial=1.0)
    if not np.allclose(found, expected, atol=2e-3 * spread):
        worst = float(np.abs(found - expected).max())
        raise TlganError(
            f"ONNX Runtime gives other numbers than the trained network (off by {worst:.3g}): nothing was written"
        )
    with replacing(path) as temporary:
        temporary.write_bytes(data)
