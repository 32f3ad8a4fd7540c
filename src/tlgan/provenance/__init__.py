"""Pictures that say what they are: claims are written into everything that is saved or published, and read from any.

`encode` and `mark` write a `Claim`; `verify` reads. docs/provenance.md says what is in a file and what it is worth.
"""

from .claim import Claim
from .marking import FORMATS, encode, mark
from .verify import Report, verify, verify_file

__all__ = ["FORMATS", "Claim", "Report", "encode", "mark", "verify", "verify_file"]
