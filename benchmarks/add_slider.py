"""How long one more slider takes in a workspace that has its samples.

Claim: under 5 seconds on two CPU cores, with the default generator. Two extractors are added to copies of one
workspace: a linear head on celeba40's embedding (differentiable: `add` chooses between samples and gradients) and a
small ONNX model (samples only). Run: `python benchmarks/add_slider.py`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from tlgan.cli.demo import OFFLINE_GENERATOR
from tlgan.extractors import Feature, load_extractor
from tlgan.extractors.head import save_head
from tlgan.workspace import Settings, open_workspace
from tlgan.workspace.add import add_extractor
from tlgan.workspace.discover import discover


def write_head(path: Path) -> Path:
    """A head that reads "male and smiling" off celeba40's embedding: a direction of the embedding like any other."""
    weight = load_extractor("celeba40").module.head.weight.detach().numpy()  # type: ignore[attr-defined]
    names = [feature.name for feature in load_extractor("celeba40").features]
    mixed = weight[names.index("male")] + weight[names.index("smiling")]
    save_head(path, "celeba40", Feature("mixed", "probability"), mixed.astype(np.float32), 0.0)
    return path


def write_onnx(path: Path) -> Path:
    """A small untrained network of `train-extractor`'s kind, as ONNX."""
    from tlgan.extractors.networks import ResidualNet
    from tlgan.training.export import export_onnx

    torch.manual_seed(0)
    export_onnx(path, ResidualNet(1, widths=(16, 32, 64, 64), depth=1), [Feature("untrained", "quantity")], [], 64)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, help="a workspace with celeba40 and samples; one is made without")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source = options.workspace or discover(folder / "faces", Settings(OFFLINE_GENERATOR)).path
        refs = {
            "head on celeba40": write_head(folder / "mixed.safetensors"),
            "ONNX": write_onnx(folder / "untrained.onnx"),
        }
        result: dict[str, object] = {"samples in the workspace": open_workspace(source).samples.rows()}
        for name, ref in refs.items():
            copy = Path(shutil.copytree(source, folder / name.replace(" ", "-")))
            workspace = open_workspace(copy)
            _ = workspace.generator, workspace.extractor, workspace.axes
            began, used = time.perf_counter(), time.process_time()
            added = add_extractor(workspace, str(ref))
            result[f"{name}, seconds"] = round(time.perf_counter() - began, 2)
            result[f"{name}, processor seconds"] = round(time.process_time() - used, 2)
            result[f"{name}, how"] = (
                f"{added.method} ({added.samples} samples, {added.gradients} gradients): {added.why}"
            )
            result[f"{name}, agreement"] = round(added.agreement[0], 3)
    print(json.dumps(result) if options.json else "\n".join(f"{key:<36} {value}" for key, value in result.items()))


if __name__ == "__main__":
    main()
