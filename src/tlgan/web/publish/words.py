"""The notices of a site: where its parts come from and on which terms, what the model is known to get wrong, and
how to put the folder on a host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tlgan import __version__

from . import runtime

if TYPE_CHECKING:
    from tlgan.axes import Axes
    from tlgan.workspace import Workspace

NOTICE = "The people in these pictures do not exist: a generative network made them up."
#: Correlations of the measured population from here on are worth a warning.
TIED = 0.5
BIASES = 6


@dataclass(frozen=True)
class Terms:
    """Where a part comes from and on which terms it may be used."""

    part: str
    origin: str
    licence: str


_GENERATORS = {
    "faces1024": (
        "1024 x 1024 faces: MobileStyleGAN by Sergei Belousov (2021), from the package random-face 2021.7.21.1; small "
        "pictures by a head that tlgan trained on what it paints",
        "Apache-2.0 for its code and package; a student of NVIDIA's StyleGAN2, whose weights were for non-commercial use: "
        "treat these weights so",
        "FFHQ (Karras et al., 2019), photographs from Flickr, CC BY-NC-SA 4.0",
    ),
    "photo64": (
        "64 x 64 faces by tlgan's own compact generator (recipes/train_generator.py)",
        "weights for non-commercial research only, as the photographs they learned from",
        "CelebA (Liu et al., 2015), 8,000 photographs, for non-commercial research only",
    ),
    "face64": (
        "DCGAN of 64 x 64 faces from the package gan-face-generate 1.1.1 by Chien Liu (github.com/chien-liu/DCGAN-PyTorch)",
        "MIT License, Copyright (c) 2023 chien liu",
        "DigiFace1M, as its package says; that data set is for non-commercial research",
    ),
}
_LICENCES = {
    "celeba40": "MIT License for the weights; both data sets are for non-commercial research",
    "judge40": "MIT License for the weights; both data sets are for non-commercial research",
    "colour": "MIT License",
}
_UNKNOWN = "not known to tlgan: whoever publishes this page answers for having the right to"


def terms(workspace: Workspace) -> list[Terms]:
    """Generator, its data and each extractor; what is not known is said to be unknown."""
    from tlgan.generators import known_model

    ref, said = workspace.settings.generator, workspace.about
    known = known_model(ref)
    if ref in _GENERATORS:
        origin, licence, data = _GENERATORS[ref]
    elif known is not None:
        origin, licence, data = f"{known.kind} {known.name}, {known.page}", known.terms, known.about or _UNKNOWN
    else:
        plain = _unsaid(ref, workspace.generator.name)  # what the workspace says of itself may name a path
        origin, licence, data = said["Generator"] if plain == ref else plain, _UNKNOWN, _UNKNOWN
    found = [Terms("Generator", origin, licence), Terms("Pictures it learned from", "see the generator's origin", data)]
    for name in workspace.settings.extractors:
        plain = _unsaid(name, "of the publisher's own")
        licence = _LICENCES.get(name, _UNKNOWN)
        found.append(Terms(f"Extractor {plain}", said[f"Extractor {name}"] if name in _LICENCES else plain, licence))
    return found


def biases(axes: Axes) -> list[str]:
    """What the population of pictures is like and what goes together in it, from the samples of the workspace."""
    found = []
    for row, feature in enumerate(axes.features):
        if axes.weak[row] or feature.name not in ("male", "young"):
            continue
        share = float(np.interp(0.0, axes.quantiles[row], axes.quantile_levels))  # responses under a logit of 0
        found.append(f"{1 - share:.0%} of the pictures measure as “{feature.high or feature.label}”")
    strong = [row for row in range(len(axes.features)) if not axes.weak[row]]
    pairs = [(abs(float(axes.correlation[a, b])), a, b) for k, a in enumerate(strong) for b in strong[k + 1 :]]
    for size, a, b in sorted(pairs, reverse=True):
        if size < TIED or len(found) >= BIASES:
            break
        one, other = (axes.features[row].label or axes.names[row] for row in (a, b))
        way = "goes with" if axes.correlation[a, b] > 0 else "goes against"
        found.append(f"“{one}” {way} “{other}” (r = {axes.correlation[a, b]:+.2f})")
    return found


def about(workspace: Workspace) -> dict[str, object]:
    """For the page's card: terms, what the model is known to get wrong, and who sees what a visitor does."""
    return {
        **{row.part: f"{row.origin}; {row.licence}" for row in terms(workspace)},
        "Known biases": [
            *biases(workspace.axes),
            "sliders show what an extractor thinks it sees, not what anybody is",
        ],
        "Use": workspace.about["Use"],
        "Runs": "in this browser; nothing you do here leaves it",
    }


def notices(workspace: Workspace) -> str:
    """`NOTICES.txt`: terms of all parts."""
    rows = "\n\n".join(f"{row.part}\n  {row.origin}\n  {row.licence}" for row in terms(workspace))
    page = f"Page and sliders\n  tlgan {__version__}\n  MIT License"
    return f"{NOTICE}\n\n{page}\n\n{rows}\n\n{'-' * 80}\n\n{runtime.LICENCE.format(version=runtime.VERSION)}"


def readme(workspace: Workspace, title: str, downloads: str, embed: bool) -> str:
    """`README.md`, with the header that Hugging Face Spaces reads."""
    lines = "\n".join(f"- **{row.part}**: {row.origin}; {row.licence}" for row in terms(workspace))
    known = "\n".join(f"- {line}" for line in biases(workspace.axes)) or "- none measured"
    widget = _EMBED if embed else ""
    return _README.format(
        title=title,
        yaml_title=title.replace('"', "'"),
        notice=NOTICE,
        downloads=downloads,
        terms=lines,
        biases=known,
        samples=f"{workspace.axes.samples:,}",
        version=__version__,
        embed=widget,
    )


def slug(text: str) -> str:
    """Letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "site"


def _unsaid(ref: str, otherwise: str) -> str:
    """A reference as a stranger may read it: an address, but no path of the publisher's machine."""
    return ref if re.match(r"(https?|hf|pypi|npm):", ref) or re.fullmatch(r"[\w.-]+", ref) else otherwise


_EMBED = """
## As a widget in another page

```html
<iframe src="https://ADDRESS/embed.html" title="A face with sliders" width="400" height="900" style="border:0"></iframe>
```

`embed.html` is one file with everything in it: it can also be copied anywhere on its own.
"""

_README = """---
title: "{yaml_title}"
emoji: 🎛️
colorFrom: gray
colorTo: yellow
sdk: static
pinned: false
custom_headers:
  cross-origin-embedder-policy: require-corp
  cross-origin-opener-policy: same-origin
  cross-origin-resource-policy: cross-origin
---

# {title}

{notice}

A page that turns the knobs of a trained GAN. Everything is computed in the visitor's browser (ONNX Runtime Web): there is no
server to keep, nothing a visitor does leaves their machine, and after the first visit it works offline. {downloads}

## See it here

```bash
python3 -m http.server
```

in this folder, then open `http://localhost:8000`. (Opened as a file it can't start: browsers allow no modules there.)

## Put it on GitHub Pages

Make a repository of this folder and push it; under *Settings, Pages* choose *Deploy from a branch*, the branch, and `/ (root)`.
The page is at `https://USER.github.io/REPOSITORY/` a minute later. Or let `.github/workflows/pages.yml` do it, where this folder
has one (`tlgan publish --workflow`): choose *GitHub Actions* as the source instead.

## Put it on Hugging Face Spaces

Make a Space of kind *Static* and push this folder to it. The header of this README is the Space's configuration; its custom
headers let the browser use more than one thread.

## Anywhere else

Copy the folder to any static host, at the root or below a path. No configuration is needed. A host that can set headers may set
`Cross-Origin-Opener-Policy: same-origin` and `Cross-Origin-Embedder-Policy: require-corp`, which grants threads on the first visit
already; from the second visit on the page's own service worker does.
{embed}
## What this is made of

{terms}

The whole notices are in `NOTICES.txt`.

## What it gets wrong

Measured on {samples} pictures of this generator, by the extractors above:

{biases}

Sliders show what an extractor thinks it sees, not what anybody is; moving one moves what goes with it, unless that is locked.

Made with tlgan {version}.
"""

WORKFLOW = """\
# Publishes this folder as it is. Under Settings, Pages choose "GitHub Actions" as the source.
name: pages
on:
  push:
    branches: [main]
  workflow_dispatch:
permissions:
  contents: read
  pages: write
  id-token: write
concurrency: pages
jobs:
  deploy:
    runs-on: ubuntu-latest
    environment:
      name: github-pages
      url: ${{ steps.deployment.outputs.page_url }}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/configure-pages@v5
      - uses: actions/upload-pages-artifact@v3
        with:
          path: .
      - id: deployment
        uses: actions/deploy-pages@v4
"""
