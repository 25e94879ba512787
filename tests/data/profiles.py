"""Makes ICC profiles whose effect is easy to see: swapped colours, linear grey, a table of inks."""

from __future__ import annotations

import struct

import numpy as np
from PIL import ImageCms


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """Make an RGB profile whose red is sRGB's green, and the other way round."""
    data = srgb_profile()
    return data.replace(b"rXYZ", b"?XYZ").replace(b"gXYZ", b"rXYZ").replace(b"?XYZ", b"gXYZ")


def grey_profile() -> bytes:
    """Make a grey profile whose levels are light itself: 128 is half of white's light."""
    curve = b"curv" + bytes(4) + struct.pack(">IHH", 1, 0x0100, 0)
    return _profile(b"GRAY", b"XYZ ", {b"wtpt": _white(), b"kTRC": curve})


def ink_profile() -> bytes:
    """Make a CMYK profile of 16 corners: each ink takes its share of lightness, none has colour."""
    inks = np.stack(np.meshgrid(*[[0, 1]] * 4, indexing="ij"), axis=-1).reshape(16, 4)
    light = np.clip(255 - inks @ [60, 60, 60, 255], 0, 255)
    corners = np.stack([light, np.full(16, 128), np.full(16, 128)], axis=1).astype(np.uint8)
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(65_536 * np.eye(3, dtype=int)).ravel())
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity
    table += ramp * 4 + corners.tobytes() + ramp * 3
    return _profile(b"CMYK", b"Lab ", {b"wtpt": _white(), b"A2B0": table})


def _white() -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", 63_190, 65_536, 54_061)


def _profile(space: bytes, between: bytes, tags: dict[bytes, bytes]) -> bytes:
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    head = bytes(4) + bytes(4) + b"\x02\x40\0\0" + kind + space + between + bytes(12) + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63_190, 65_536, 54_061)
    listed, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        listed += name + struct.pack(">II", start + len(body), len(content))
        body += content
    whole = head.ljust(128, b"\0") + listed + body
    return struct.pack(">I", len(whole)) + whole[4:]
