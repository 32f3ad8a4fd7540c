"""The one exception that a user is meant to read.

Everything that can go wrong because of what was given (a file, a name, a value) is raised as `TlganError` with one
line that says what was given, what was expected and what to do now. The command line prints that line and exits
with 1; anything else that escapes is a fault of ours and may show its traceback.
"""


class TlganError(Exception):
    """What was given can't be used; `str(error)` is one clear line for a person."""


class AssumedWarning(UserWarning):
    """A file leaves something open that was taken as is customary; the line names it and the option that changes it."""
