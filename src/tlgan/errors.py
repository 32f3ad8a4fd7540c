"""The exceptions that a user is meant to read.

Everything that can go wrong because of what was given (a file, a name, a value) is raised as `TlganError` with one
line that says what was given, what was expected and what to do now. The command line prints that line and exits
with 1; anything else that escapes is a fault of ours and may show its traceback. The subclasses are for callers that
act on the reason.
"""

_LINE = 1200  # characters: names and values in it may be a stranger's


class TlganError(Exception):
    """What was given can't be used; `str(error)` is one clear line for a person, whatever ends of lines a library or a
    file put into it, and without the midst of one too long."""

    def __str__(self) -> str:
        line = " ".join(super().__str__().splitlines())
        return line if len(line) <= _LINE else f"{line[: _LINE * 2 // 3]} ... {line[-_LINE // 4 :]}"


class UnknownFeature(TlganError):
    """A feature, slider or axis of that name does not exist here."""


class BadFile(TlganError):
    """A file can't be read, is damaged, or is not what it was given as."""


class NeedsTrust(TlganError):
    """Loading would run code that a file holds or names: it loads with `trust=True`."""


class Refused(TlganError):
    """A file asked for something without permission, such as a download: nothing was sent or written."""


class AssumedWarning(UserWarning):
    """A file leaves something open that was taken as is customary; the line names it and the option that changes it."""
