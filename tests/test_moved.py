"""Old names of modules are the new modules, with a warning."""

from __future__ import annotations

import subprocess
import sys

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
