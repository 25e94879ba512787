"""Colours of an embedded ICC profile become sRGB.

An image and the bytes of its profile come in; the same image in sRGB goes out. A profile that is
broken, too large or meant for other channels is ignored, as every browser does.
"""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image, ImageCms

_MAX_BYTES = 4 * 1024 * 1024  # the largest in print are half as large
_SPACES = {"L": b"GRAY", "RGB": b"RGB ", "CMYK": b"CMYK"}
_LEVELS = 2  # of 255; a transform that moves no colour further is rounding, not colour
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Give an image in sRGB.

    Args:
        image: Its mode is L, RGB or CMYK; L stays L and the others become RGB.
        profile: The ICC profile that came with it, of any quality.
    """
    transform = _transform(profile, image.mode) if profile else None
    if isinstance(transform, bytes):
        return image.point(list(transform))
    if transform is not None:
        return transform.apply(image)
    return image.convert("RGB") if image.mode == "CMYK" else image


def is_plain(profile: bytes | None, mode: str) -> bool:
    """Tell whether pixels of a mode (L or RGB) are sRGB already, or have to be taken for it."""
    return not profile or _transform(profile, mode) is None


@functools.lru_cache(maxsize=8)  # photographs of one source share a profile
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | bytes | None:
    """Make a profile's transform to sRGB; for grey the 256 levels it gives.

    Returns:
        None when the profile is sRGB already, or has to be ignored.
    """
    fits = profile[36:40] == b"acsp" and profile[16:20] == _SPACES[mode]
    if not fits or len(profile) > _MAX_BYTES:
        return None
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            _FLAGS,
        )
        probe = _probe(mode)
        answer = np.asarray(transform.apply(probe)).astype(np.int16)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if mode == "CMYK":
        return transform
    asked = np.asarray(probe.convert("RGB"))
    if np.abs(answer - asked).max() <= _LEVELS:
        return None
    return answer[0, :, 1].astype(np.uint8).tobytes() if mode == "L" else transform


def _probe(mode: str) -> Image.Image:
    """Draw colours that tell one transform from another: a cube of 729, or all greys."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    return Image.fromarray(cube).convert(mode)
