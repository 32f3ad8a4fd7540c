"""Train the judge of the judge: a small network of yet another kind, that only tells how far two judges disagree.

    python recipes/second_judge.py --celeba celeba.parquet -o benchmarks/second_judge.onnx

It knows the eight features that `benchmarks/edit_quality.py` moves. No figure of an edit rests on it alone; what it
says beside `judge40` is the noise with which any of them is known. Stopped at any moment, the same command goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from celeba40.augment import Strength, plain_view
from celeba40.data import ATTRIBUTES, OUTPUTS, SIDE, read_celeba, split
from celeba40.measure import predict, summary
from celeba40.training import Plan, fit
from tlgan.extractors.attributes import CELEBA_ATTRIBUTES
from tlgan.training.export import export_onnx

EIGHT = ("smiling", "male", "young", "eyeglasses", "blond_hair", "bangs", "mouth_slightly_open", "black_hair")
HELD_OUT = 1000
SEED = 31


class DenseNet(nn.Module):
    """Every layer sees all layers before it (Huang et al. 2017)."""

    def __init__(self, outputs: int, growth: int = 12, layers: tuple[int, ...] = (3, 4, 5, 4)) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 5, 2, 2, bias=False)  # (n, 24, 32, 32)
        width = 24
        self.blocks = nn.ModuleList()
        self.transitions = nn.ModuleList()
        for count in layers:
            block = nn.ModuleList()
            for _ in range(count):
                block.append(nn.Sequential(nn.BatchNorm2d(width), nn.SiLU(), nn.Conv2d(width, growth, 3, 1, 1)))
                width += growth
            self.blocks.append(block)
            narrow = width * 2 // 3
            self.transitions.append(nn.Sequential(nn.BatchNorm2d(width), nn.SiLU(), nn.Conv2d(width, narrow, 1)))
            width = narrow
        self.norm = nn.BatchNorm1d(4 * width)
        self.head = nn.Linear(4 * width, outputs)

    def embed(self, x: Tensor) -> Tensor:
        """[n, 3, 64, 64] -> [n, e]: what is where, in quarters."""
        x = self.stem(x)
        for number, (block, transition) in enumerate(zip(self.blocks, self.transitions, strict=True)):
            if number:
                x = F.avg_pool2d(x, 2)
            for layer in block:
                x = torch.cat([x, layer(x)], dim=1)
            x = transition(x)
        embedded: Tensor = self.norm(F.avg_pool2d(x, 2).flatten(1))
        return embedded

    def forward(self, x: Tensor) -> Tensor:
        """[n, 3, 64, 64] -> [n, outputs]."""
        outputs: Tensor = self.head(F.dropout(self.embed(x), 0.2, self.training))
        return outputs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--celeba", type=Path, required=True, help="Parquet: image, and the 40 attributes")
    parser.add_argument("-o", "--output", type=Path, required=True, help="ONNX file to write")
    parser.add_argument("--checkpoint", type=Path, default=Path("second_judge.ckpt"), help="where training is kept")
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pause-file", type=Path, help="training sleeps while this file exists")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    photographs, held_out = split(read_celeba(options.celeba), HELD_OUT, seed=None)
    chosen = torch.randperm(len(photographs), generator=torch.Generator().manual_seed(SEED))[
        : len(photographs) * 3 // 4
    ]
    views = Strength(shift=0.05, rotate=12.0, stretch=0.08, light=0.2, colour=0.08, blur=0.3, jpeg=0.0, erase=0.05)
    plan = Plan(options.steps, learning_rate=4e-3, weight_decay=0.02, average=0.997, seed=SEED, strength=views)
    trained = fit(
        DenseNet(OUTPUTS), [(photographs[chosen], 96)], plan, options.checkpoint, pause_file=options.pause_file
    )
    accuracy, auc = summary(predict(trained, plain_view(held_out)), held_out.targets)
    print(f"held-out accuracy {accuracy:.4f}, AUC {auc:.4f} (all 40)", flush=True)
    head = nn.Linear(trained.head.in_features, len(EIGHT))
    rows = [ATTRIBUTES.index(name) for name in EIGHT]
    head.weight.data, head.bias.data = trained.head.weight.data[rows], trained.head.bias.data[rows]
    trained.head = head
    known = {feature.name: feature for feature in CELEBA_ATTRIBUTES}
    export_onnx(options.output, trained, [known[name] for name in EIGHT], [], SIDE)
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.2f} MB", flush=True)


if __name__ == "__main__":
    main()
