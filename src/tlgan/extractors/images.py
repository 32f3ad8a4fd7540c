"""Pictures as extractors want them: checked, three channels, and resized without aliasing.

Taking every other pixel of a large picture invents edges that are not there, and an extractor names them;
hence the filter whenever a picture is made smaller.
"""

from __future__ import annotations

from torch import Tensor

from tlgan.errors import TlganError
from tlgan.io.pixels import resampled


def check_images(images: object) -> Tensor:
    """Return ``images`` as a floating tensor [n, C, H, W] with C 1 or 3, or raise :class:`TlganError`."""
    if not isinstance(images, Tensor):
        raise TlganError(f"an extractor takes a tensor [n, C, H, W] in [-1, 1]; got {type(images).__name__}")
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape[2:]:
        raise TlganError(
            f"an extractor takes pictures [n, C, H, W] with 1 or 3 channels; got shape {list(images.shape)}"
        )
    if not images.is_floating_point():
        raise TlganError(f"an extractor takes floating pictures in [-1, 1]; got {images.dtype}")
    return images


def prepare(images: Tensor, size: int | None) -> Tensor:
    """Float32 [n, 3, size, size] clipped to [-1, 1]; differentiable inside the range.

    Grey is repeated to three channels. Resizing is bilinear with antialiasing; a picture that already has the
    size is left as it is, and ``size=None`` leaves every size.
    """
    images = check_images(images).float()
    if images.shape[1] == 1:
        images = images.expand(-1, 3, -1, -1)
    return (images if size is None else resampled(images, (size, size))).clamp(-1.0, 1.0)
