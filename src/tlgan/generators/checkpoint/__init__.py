"""Reading checkpoints that strangers wrote: everything is described, nothing is executed, little is loaded."""

from __future__ import annotations

from .reader import Checkpoint, read_checkpoint, summary
from .records import GlobalName, ObjectRecord, TensorRecord

__all__ = ["Checkpoint", "GlobalName", "ObjectRecord", "TensorRecord", "read_checkpoint", "summary"]
