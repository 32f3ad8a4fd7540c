"""`python -m tlgan` is `tlgan`."""

from .cli import main

main()
