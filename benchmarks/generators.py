"""How long a picture takes: every kind at every size, where the time goes, and the ways of computing that were tried.

    python benchmarks/generators.py pace          milliseconds a picture, by kind, size, batch and threads
    python benchmarks/generators.py breakdown     which operations a StyleGAN2 and a pg-GAN spend their time in
    python benchmarks/generators.py ways          one layer in every way that was considered; ONNX Runtime on a whole network
    python benchmarks/generators.py faces1024 [FOLDER]
                                                  whole pictures beside OpenVINO's, in turn; FOLDER holds SynthesisNetwork.xml
                                                  and .bin, and OpenVINO is to be installed (else only ours are timed)

All networks have the released sizes and random weights. The package keeps the way that wins on a CPU: features are
scaled instead of weights, filters run along one axis at a time. `tests/generators/official.py` holds the readable
reference that it is tested against.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.generators import official
from tlgan.generators import LatentGenerator, load_generator


def released(kind: str, side: int) -> LatentGenerator:
    """A network of the released widths with random weights, through a file as any other."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.pkl"
        if kind == "pg-GAN":
            widths = {"fmap_base": 8192, "fmap_max": 512, "latent_size": 512}
            official.write(path, official.pggan_network(0, resolution=side, **widths))
        elif kind == "StyleGAN2":
            base = 32768 if side >= 512 else 16384
            network = official.stylegan2(
                0, resolution=side, clamp=256.0, z_dim=512, w_dim=512, width=lambda s: min(base // s, 512)
            )
            official.write(path, {"G_ema": network})
        else:
            radial = kind.endswith("-r")
            sizes = {"num_layers": 14, "num_critical": 2, "margin": 10, "z_dim": 512, "w_dim": 512}
            widths = {"channel_base": 32768 * (1 + radial), "channel_max": 512 * (1 + radial)}
            network = official.stylegan3(
                0, resolution=side, radial=radial, conv_kernel=1 if radial else 3, **sizes, **widths
            )
            official.write(path, {"G_ema": network})
        return load_generator(path)  # type: ignore[return-value]


def seconds(run: Callable[[], object], least: float = 0.6) -> float:
    """The fastest of a few runs."""
    run()
    times: list[float] = []
    while sum(times) < least or len(times) < 2:
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


def pace(options: argparse.Namespace) -> None:
    print(
        f"{'kind':<12} {'px':>5} {'batch':>5} "
        + " ".join(f"{n:>2} thread{'s' * (n > 1):<5}" for n in options.threads)
        + "  ms a picture"
    )
    for kind in options.kind:
        for side in options.side:
            generator = released(kind, side)
            for batch in options.batch if side < 512 else options.batch[:1]:
                z = generator.sample(batch, seed=0)
                row = []
                for threads in options.threads:
                    torch.set_num_threads(threads)
                    with torch.inference_mode():
                        row.append(seconds(lambda g=generator, z=z: g.synthesize(z)) / batch * 1000)  # type: ignore[misc]
                print(f"{kind:<12} {side:>5} {batch:>5} " + " ".join(f"{ms:>12.1f}" for ms in row), flush=True)


def breakdown(options: argparse.Namespace) -> None:
    for kind in options.kind:
        generator = released(kind, options.side[0])
        z = generator.sample(1, seed=0)
        with torch.inference_mode():
            generator.synthesize(z)
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
                generator.synthesize(z)
        events = sorted(profile.key_averages(), key=lambda event: -event.self_cpu_time_total)
        whole = sum(event.self_cpu_time_total for event in events)
        print(f"{kind} {options.side[0]} px, one picture, {torch.get_num_threads()} threads: {whole / 1000:.0f} ms")
        for event in events[:8]:
            print(f"  {event.self_cpu_time_total / whole:>5.0%}  {event.count:>4} x {event.key}")


# -- ways of computing a modulated layer ---------------------------------------------------------------------------


def by_features(x: Tensor, weight: Tensor, style: Tensor, energy: Tensor) -> Tensor:
    """What the package does: conv(x, w s) = conv(x s, w); demodulation is a factor of each output channel."""
    y = F.conv2d(x * style[:, :, None, None], weight, padding=1)
    return y * (style.square() @ energy + 1e-8).rsqrt()[:, :, None, None]


def grouped(x: Tensor, weight: Tensor, style: Tensor, energy: Tensor) -> Tensor:
    """A weight for every sample, all in one convolution of n groups."""
    n, c, h, w = x.shape
    own = weight[None] * style[:, None, :, None, None]
    own = own * (own.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    y = F.conv2d(x.reshape(1, n * c, h, w), own.reshape(-1, c, 3, 3), padding=1, groups=n)
    return y.view(n, -1, h, w)


def looped(x: Tensor, weight: Tensor, style: Tensor, energy: Tensor) -> Tensor:
    """A weight and a convolution for every sample."""
    own = weight[None] * style[:, None, :, None, None]
    own = own * (own.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    return torch.cat([F.conv2d(one[None], w, padding=1) for one, w in zip(x, own, strict=True)])


def layer_ways(channels: int, side: int, batch: int) -> list[Callable[[], Tensor]]:
    """Features, grouped, looped, channels_last, bf16."""
    x, weight = torch.randn(batch, channels, side, side), torch.randn(channels, channels, 3, 3)
    style = torch.randn(batch, channels)
    energy = weight.square().sum((2, 3)).T.contiguous()
    last = [tensor.contiguous(memory_format=torch.channels_last) for tensor in (x, weight)]
    half = [tensor.bfloat16() for tensor in (x, weight, style, energy)]
    return [
        lambda: by_features(x, weight, style, energy),
        lambda: grouped(x, weight, style, energy),
        lambda: looped(x, weight, style, energy),
        lambda: by_features(last[0], last[1], style, energy),
        lambda: by_features(*half),
    ]


def upsampling_ways(channels: int, side: int) -> list[Callable[[], Tensor]]:
    """A convolution that doubles the picture, and its filter: along one axis at a time, as one 4x4, folded into a 6x6."""
    fir = torch.tensor([1.0, 3, 3, 1]) / 8
    x, weight = torch.randn(1, channels, side, side), torch.randn(channels, channels, 3, 3)
    square = torch.outer(fir, fir) * 4
    folded = F.conv2d(weight.reshape(-1, 1, 3, 3), square[None, None], padding=3).reshape(channels, channels, 6, 6)
    window = square.expand(channels, 1, 4, 4)
    return [
        lambda: _apart(F.conv_transpose2d(x, weight, stride=2), fir),
        lambda: F.conv2d(F.conv_transpose2d(x, weight, stride=2), window, padding=1, groups=channels),
        lambda: F.conv_transpose2d(x, folded, stride=2, padding=2),
    ]


def ways(options: argparse.Namespace) -> None:
    torch.manual_seed(0)
    batch = options.batch[0]
    with torch.inference_mode():
        print(f"a modulated layer, batch {batch}, {torch.get_num_threads()} threads: ms a picture")
        _table(["features", "grouped", "looped", "channels_last", "bf16"])
        for channels, side in ((512, 32), (256, 128), (64, 512)):
            runs = layer_ways(channels, side, batch)
            assert torch.allclose(runs[0](), runs[1](), atol=1e-2), "the ways differ"
            _row(channels, side, [seconds(run, 0.3) / batch * 1000 for run in runs])
        print("a layer that upsamples, batch 1: ms a picture")
        _table(["axis by axis", "one 4x4", "folded 6x6"])
        for channels, side in ((512, 32), (128, 256)):
            runs = upsampling_ways(channels, side)
            assert torch.allclose(runs[0](), runs[2](), atol=1e-2), "the ways differ"
            _row(channels, side, [seconds(run, 0.3) * 1000 for run in runs])
    _onnx(options.side[0])


def _table(names: list[str]) -> None:
    print(f"{'channels x px':<16}" + "".join(f"{name:>15}" for name in names))


def _row(channels: int, side: int, times: list[float]) -> None:
    print(f"{f'{channels} x {side}':<16}" + "".join(f"{ms:>15.1f}" for ms in times), flush=True)


def _apart(x: Tensor, fir: Tensor) -> Tensor:
    channels = x.shape[1]
    x = F.conv2d(x, (fir * 2).view(1, 1, 1, 4).expand(channels, 1, 1, 4), padding=(0, 1), groups=channels)
    return F.conv2d(x, (fir * 2).view(1, 1, 4, 1).expand(channels, 1, 4, 1), padding=(1, 0), groups=channels)


def _onnx(side: int) -> None:
    """A whole pg-GAN by ONNX Runtime beside ours."""
    import onnxruntime

    generator = released("pg-GAN", side)

    class Network(torch.nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return generator.synthesize(z)

    z = generator.sample(1, seed=0)
    file = io.BytesIO()
    torch.onnx.export(Network(), (z,), file, dynamo=False, input_names=["z"], opset_version=17)
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    feed = {"z": z.numpy()}
    with torch.inference_mode():
        assert np.abs(session.run(None, feed)[0] - generator.synthesize(z).numpy()).max() < 1e-3
        ours = seconds(lambda: generator.synthesize(z)) * 1000
    theirs = seconds(lambda: session.run(None, feed)) * 1000
    print(f"pg-GAN {side} px, ms a picture: torch {ours:.1f}, ONNX Runtime {theirs:.1f}")


# -- faces1024 beside OpenVINO -------------------------------------------------------------------------------------


def faces1024(options: argparse.Namespace) -> None:
    """One picture at a time, the ways in turn: the fastest of all rounds, as wall clock and as processor time."""
    generator = load_generator("faces1024")
    w = generator.sample(1, seed=0, space="w")  # type: ignore[union-attr]
    asking = w.clone().requires_grad_()  # the differentiable network, which is also what runs on a GPU
    runs: dict[str, Callable[[], object]] = {
        "ours, whole picture": lambda: generator.synthesize(w, space="w"),
        "ours, differentiable": lambda: generator.synthesize(asking, space="w"),
        "ours, features at 32 px": lambda: generator.features(w, space="w", side=32),  # type: ignore[union-attr]
    }
    if options.folder is not None:
        runs["OpenVINO, whole picture"] = _openvino(options.folder, w)
    best = {name: [float("inf")] * 2 for name in runs}
    for _ in range(options.rounds + 1):  # the first is spoilt by what is made once
        for name, run in runs.items():
            began, busy = time.perf_counter(), time.process_time()
            run()
            taken = time.perf_counter() - began, time.process_time() - busy
            best[name] = [min(pair) for pair in zip(best[name], taken, strict=True)]
    print(f"faces1024, one picture, {torch.get_num_threads()} threads, best of {options.rounds}: ms of wall clock, CPU")
    for name, (wall, busy) in best.items():
        print(f"  {name:<26} {wall * 1000:>8.0f} {busy * 1000:>8.0f}")


def _openvino(folder: Path, w: Tensor) -> Callable[[], object]:
    import openvino

    core = openvino.Core()
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    model = core.compile_model(core.read_model(folder / "SynthesisNetwork.xml"), "CPU", exact)
    request, latents = model.create_infer_request(), w.numpy()
    ours = load_generator(folder / "SynthesisNetwork.xml").synthesize(w, space="w").numpy()
    assert np.abs(request.infer([latents])[model.output(0)] - ours).max() < 1e-3, "the pictures differ"
    return lambda: request.infer([latents])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["pace", "breakdown", "ways", "faces1024"])
    parser.add_argument("folder", nargs="?", type=Path, help="of the networks as OpenVINO IR, for faces1024")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--kind", nargs="+", default=["pg-GAN", "StyleGAN2", "StyleGAN3-t", "StyleGAN3-r"])
    parser.add_argument("--side", type=int, nargs="+", default=[256])
    parser.add_argument("--batch", type=int, nargs="+", default=[4, 1])
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, torch.get_num_threads()}))
    options = parser.parse_args()
    {"pace": pace, "breakdown": breakdown, "ways": ways, "faces1024": faces1024}[options.what](options)


if __name__ == "__main__":
    main()
