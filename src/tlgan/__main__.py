"""`python -m tlgan` is `tlgan`."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the working folder, which `-m` puts before all that is installed: it may come from a stranger

from .cli import main

main()
