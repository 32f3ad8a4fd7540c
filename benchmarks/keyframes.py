"""How far a frame that the studio mixes from the two pictures beside it is from the one it stands for, in grey levels.

python benchmarks/keyframes.py faces            # a workspace whose generator has a picture head
"""

from __future__ import annotations

import argparse

import numpy as np

import tlgan
from tlgan.editing import Edit, solve
from tlgan.web.server.keyframes import UNIT, Keyframes


def main() -> None:
    """Drag sliders as a hand does, and compare every mixed frame with the picture that it stands for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workspace")
    parser.add_argument("--faces", type=int, default=8)
    parser.add_argument("--sliders", type=int, default=8, help="the surest ones")
    options = parser.parse_args()
    workspace = tlgan.open(options.workspace)
    axes, canvas = workspace.axes, workspace.canvas.small
    names = [axes.names[row] for row in np.argsort(np.where(axes.weak, 1, -axes.r2))[: options.sliders]]
    print(f"{options.faces} faces, {', '.join(names)}, drags from -2 to 2 sd; grey levels of 255")
    keyframes = Keyframes(lambda edits: canvas.paint(np.stack([solve(axes, edit).latent for edit in edits])))
    misses, mixed, steps = [], 0, []
    for seed in range(options.faces):
        start = canvas.start(seed)
        for name in names:
            asked = np.random.default_rng(seed).uniform(-2, 2) + np.arange(12) * 0.05
            for value in asked:
                edit = Edit(start).ask({name: value})
                line = keyframes.moving(edit)
                picture = None if line is None else keyframes.mix(line, paint=True)
                if picture is not None:
                    mixed += 1
                    true = canvas.paint(solve(axes, edit).latent[None])[0].astype(float)
                    misses.append(np.abs(picture - true).mean())
            if line is not None:
                steps.append(line.step * UNIT)
    of = options.faces * len(names) * len(asked)
    print(
        f"{mixed / of:.0%} of {of} frames mixed, {np.mean(misses):.2f} from the picture itself on average, 95 % within "
        f"{np.percentile(misses, 95):.2f}; pictures {np.mean(steps):.2f} sd apart"
    )


if __name__ == "__main__":
    main()
