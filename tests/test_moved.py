"""Old names of modules are the new modules, with a warning."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tlgan.moved import _MOVED


@pytest.mark.parametrize("old", sorted(_MOVED))
def test_an_old_name_is_the_new_module(old: str) -> None:
    script = (
        "import importlib, sys, warnings\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        f"    old = importlib.import_module({old!r})\n"
        f"new = importlib.import_module({_MOVED[old]!r})\n"
        "assert old is new and new.__spec__.name == new.__name__\n"
        f"assert any({_MOVED[old]!r} in str(w.message) and w.category is DeprecationWarning for w in caught)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_what_lies_in_an_old_folder_is_not_loaded_twice() -> None:
    script = "from tlgan.studio.app import create_app as old\nfrom tlgan.web.server.app import create_app as new\nassert old is new"
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True)


def test_a_function_that_has_the_old_name_of_a_module_can_still_be_called() -> None:
    script = (
        "import tlgan.discover, tlgan.publish, tlgan\n"
        "for function in (tlgan.discover, tlgan.publish):\n"
        "    try:\n        function()\n"
        "    except TypeError as error:\n        assert 'missing' in str(error), error\n"
        "    else:\n        raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True)


def test_networks_may_be_handed_to_discover_as_before(tmp_path: Path) -> None:
    import tlgan
    from tlgan.extractors.combined import CombinedExtractor
    from tlgan.workspace import Settings
    from tlgan.workspace.discover import discover

    generator = tlgan.wrap_generator(lambda z: z.view(-1, 3, 2, 2).sigmoid(), latent_dim=12)
    extractor = tlgan.load_extractor("colour")
    settings = Settings("mine", extractors=("colour",), max_samples=64, base=())
    with pytest.warns(DeprecationWarning, match="discover"):
        made = discover(tmp_path / "a", settings, load=lambda _: (generator, CombinedExtractor([extractor])))
    turned = tlgan.discover(generator, tmp_path / "b", extractors=["colour"], max_samples=64, base=())
    np.testing.assert_array_equal(turned.axes.directions, made.axes.directions)
    with pytest.raises(TypeError, match="discover takes"):
        tlgan.discover(tmp_path / "c")
