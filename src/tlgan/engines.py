"""Where pictures are painted: `Local`, `Processes` of this machine, `Ray` of a cluster; see docs/cluster.md."""

from tlgan.samples.cluster import Ray
from tlgan.samples.engines import Local, Processes

__all__ = ["Local", "Processes", "Ray"]
