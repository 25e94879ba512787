"""Makes hostile and odd image files: bombs, lies, loops, cuts, polyglots and damaged ones.

Everything is made from a few drawn images and the formats' own structure, the same every time.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from tests.data.profiles import grey_profile, ink_profile, swapped_profile
from tests.making import draw_image, image_bytes

KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
_SIZE = (48, 40)


def hostile_files() -> dict[str, bytes]:
    """Make every file of the corpus, by a name that says what is wrong with it."""
    bombs = (_claims, _flat_bombs, _packed_bombs, _busy)
    odd = (_jpegs, _tiffs, _metadata, _cuts, _damaged, _polyglots, _other_formats)
    files: dict[str, bytes] = {}
    for maker in (*bombs, *odd):
        for name, data in maker():
            if name in files:
                raise ValueError(f"two hostile files are called {name}")
            files[name] = data
    return files


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def good(kind: str, seed: int = 0, **options: object) -> bytes:
    return encoded(draw_image("ball", seed, _SIZE), kind, **options)


def chunk(name: bytes, content: bytes) -> bytes:
    """Write a chunk of a PNG."""
    return (
        struct.pack(">I", len(content)) + name + content
        + struct.pack(">I", zlib.crc32(name + content))
    )  # fmt: skip


def png(width: int, height: int, pixels: bytes, *, before: bytes = b"", mode: int = 2) -> bytes:
    """Write a PNG; `pixels` is what its IDAT holds, packed already."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, mode, 0, 0, 0))
    body = header + before + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def segment(marker: int, content: bytes) -> bytes:
    """Write a segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def layered_jpeg(side: int, layers: int) -> bytes:
    """Write a grey progressive JPEG that draws all its pixels again in each layer: a few bytes."""
    blocks = (side // 8) ** 2
    table = segment(0xC4, b"\x10" + b"\1" + bytes(15) + b"\xe0")  # one code: a run without end
    runs, rest = divmod(blocks, 2**15 - 1)
    bits = ("0" + "1" * 14) * runs + (f"0{max(rest - 2**14, 0):014b}" if rest else "")
    scan = segment(0xDA, b"\1\1\0\1\x3f\0") + packed(bits)
    first = segment(0xDA, b"\1\1\0\0\0\0") + packed("0" * blocks)
    start = segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0")
    flat = segment(0xC4, b"\0\1" + bytes(16))
    quantizer = segment(0xDB, b"\0" + b"\1" * 64)
    return b"\xff\xd8" + quantizer + start + flat + first + table + scan * layers + b"\xff\xd9"


def repeating_jpeg(side: int, repeats: int) -> bytes:
    """Write a baseline JPEG in colour whose channels come one after the other, again and again."""
    blocks = (side // 8) ** 2
    channels = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    start = segment(0xC0, struct.pack(">BHHB", 8, side, side, 3) + channels)
    tables = segment(0xDB, b"\0" + b"\1" * 64)
    tables += segment(0xC4, b"\0\1" + bytes(16)) + segment(0xC4, b"\x10\1" + bytes(16))
    scans = b"".join(
        segment(0xDA, bytes([1, number, 0, 0, 63, 0])) + packed("00" * blocks)
        for number in (1, 2, 3)
    )
    return b"\xff\xd8" + tables + start + scans * repeats + b"\xff\xd9"


def packed(bits: str) -> bytes:
    """Pack the code of a JPEG's scan into bytes."""
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")


def after_start(data: bytes, extra: bytes) -> bytes:
    """Put segments after the first marker of a JPEG."""
    return data[:2] + extra + data[2:]


def frame_at(data: bytes) -> int:
    """Find the segment of a JPEG that holds its size."""
    at = 2
    while data[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at


def tiff(tags: list[tuple[int, int, int, int]], tail: bytes = b"", *, following: int = 0) -> bytes:
    """Write a little-endian TIFF of one folder at byte 8; `tail` comes right after it."""
    folder = struct.pack("<H", len(tags))
    folder += b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\x00" + struct.pack("<I", 8) + folder + struct.pack("<I", following) + tail


def grey_tags(width: int, height: int, **more: int) -> list[tuple[int, int, int, int]]:
    """Give the tags of an unpacked 8-bit grey TIFF with one strip that begins at byte 200."""
    values = {
        256: (4, width), 257: (4, height), 258: (3, 8), 259: (3, 1), 262: (3, 1), 273: (4, 200),
        277: (3, 1), 278: (4, height), 279: (4, min(width * height, 2**32 - 1)),
    }  # fmt: skip
    for tag, value in more.items():
        values[int(tag[1:])] = (4, value)
    return [(tag, kind, 1, value) for tag, (kind, value) in values.items()]


def _claims() -> Iterator[tuple[str, bytes]]:
    """Tiny files that claim to be huge, or nothing."""
    for width, height in (
        (2**31 - 1, 2**31 - 1),
        (65_535, 65_535),
        (10_000, 10_001),
        (0, 9),
        (9, 0),
    ):
        name = f"claims-{width}x{height}"
        yield f"{name}.png", png(width, height, zlib.compress(bytes(100)))
        bmp = bytearray(good("BMP"))
        bmp[18:26] = struct.pack("<ii", width, height)
        yield f"{name}.bmp", bytes(bmp)
        yield f"{name}.tif", tiff(grey_tags(width, height), bytes(300))
        if max(width, height) <= 65_535:
            jpeg, gif = bytearray(good("JPEG")), bytearray(good("GIF"))
            at = frame_at(jpeg) + 5
            jpeg[at : at + 4] = struct.pack(">HH", height, width)
            yield f"{name}.jpg", bytes(jpeg)
            gif[6:10] = struct.pack("<HH", width, height)
            yield f"{name}.gif", bytes(gif)
    upside_down = bytearray(good("BMP"))
    upside_down[22:26] = struct.pack("<i", -(2**31))
    yield "claims-negative-height.bmp", bytes(upside_down)
    for name, body in (
        ("VP8X", b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff" * 6),
        ("VP8L", b"VP8L" + struct.pack("<I", 9) + b"\x2f\xff\xff\xff\x0f" + bytes(4)),
        ("VP8", b"VP8 \x14\0\0\0\x10\0\0\x9d\x01\x2a\xff\x3f\xff\x3f" + bytes(10)),
    ):
        yield f"claims-{name}.webp", b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
    gif = bytearray(good("GIF"))
    at = gif.index(b",", 13 + 3 * 256) if gif[10] & 7 == 7 else gif.index(b",", 13)
    gif[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    yield "claims-in-its-frame.gif", bytes(gif)


def _flat_bombs() -> Iterator[tuple[str, bytes]]:
    """Small files that are really as large as they say: just below the cap, and above it."""
    below, above = (5_000, 5_000), (5_001, 5_000)
    rgb = Image.new("RGB", below)
    for size, where in ((below, "below"), (above, "above")):
        name = f"flat-{where}-the-cap"
        yield f"{name}-grey.png", encoded(Image.new("L", size), "PNG", compress_level=1)
        yield f"{name}-alpha.png", encoded(Image.new("RGBA", size), "PNG", compress_level=1)
        yield f"{name}.jpg", encoded(Image.new("RGB", size), "JPEG", quality=10)
        yield f"{name}.gif", encoded(Image.new("P", size), "GIF")
        yield f"{name}-fax.tif", encoded(Image.new("1", size), "TIFF", compression="group4")
    yield "flat-colour.png", encoded(rgb, "PNG", compress_level=1)
    yield "flat-deep.png", encoded(Image.new("I;16", below), "PNG", compress_level=1)
    layered = encoded(rgb, "JPEG", quality=10, progressive=True, subsampling=0)
    yield "flat-progressive.jpg", layered
    yield "flat-packed.tif", encoded(rgb, "TIFF", compression="tiff_adobe_deflate")
    for mode, made in (("RGB", swapped_profile()), ("CMYK", ink_profile())):
        flat = encoded(Image.new(mode, below), "JPEG", quality=10, icc_profile=made)
        yield f"flat-{mode}-profile.jpg", flat
    yield (
        "flat-cmyk-progressive.jpg",
        encoded(Image.new("CMYK", (4_400, 4_400)), "JPEG", quality=10, progressive=True),
    )
    yield (
        "flat-cmyk-progressive-above.jpg",
        encoded(Image.new("CMYK", below), "JPEG", quality=10, progressive=True),
    )
    turned = Image.Exif()
    turned[0x0112] = 6
    yield "flat-turned.jpg", encoded(Image.new("RGB", below), "JPEG", quality=10, exif=turned)
    yield (
        "flat-turned.tif",
        encoded(Image.new("RGBA", below), "TIFF", compression="tiff_lzw", exif=turned),
    )
    webp = Image.new("RGBA", (3_600, 3_600))
    yield "flat.webp", encoded(webp, "WEBP", lossless=True, method=0)
    yield "flat-lossy.webp", encoded(webp.convert("RGB"), "WEBP", method=0, quality=1)
    yield (
        "flat-above.webp",
        encoded(Image.new("RGB", (3_700, 3_700)), "WEBP", lossless=True, method=0),
    )


def _packed_bombs() -> Iterator[tuple[str, bytes]]:
    """A few KiB that unpack to many MiB beside or behind the pixels."""
    rows = zlib.compress(bytes((3 * 8 + 1) * 8))
    zeros = zlib.compress(bytes(100_000_000), 6)
    yield "bomb-text.png", png(8, 8, rows, before=chunk(b"zTXt", b"a\0\0" + zeros))
    yield "bomb-text-utf8.png", png(8, 8, rows, before=chunk(b"iTXt", b"a\0\1\0\0\0" + zeros))
    yield "bomb-profile.png", png(8, 8, rows, before=chunk(b"iCCP", b"a\0\0" + zeros))
    small = chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1_000_000), 9))
    yield "bomb-many-profiles.png", png(8, 8, rows, before=small * 5_000)
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000), 9))
    yield "bomb-many-texts.png", png(8, 8, rows, before=text * 60)
    yield "bomb-behind-the-pixels.png", png(8, 8, zeros)
    hexed = b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n 9" * 100_000)
    yield "bomb-raw-profile.png", png(8, 8, rows, before=chunk(b"zTXt", hexed))
    yield "bomb-strip.tif", tiff(grey_tags(8, 8, t279=len(zeros), t259=8), bytes(78) + zeros)


def _busy() -> Iterator[tuple[str, bytes]]:
    """Files of a few MiB whose structure keeps a reader busy."""
    rows = zlib.compress(bytes((3 * 8 + 1) * 8))
    yield "many-chunks.png", png(8, 8, rows, before=chunk(b"teSt", b"") * 300_000)
    head, pieces = png(8, 8, b"").split(chunk(b"IDAT", b"")), zlib.compress(bytes(200) * 40_000, 0)
    idats = b"".join(chunk(b"IDAT", pieces[at : at + 1]) for at in range(60_000))
    yield "many-pieces.png", head[0] + idats + head[1]
    yield "no-frames.png", png(8, 8, rows, before=chunk(b"acTL", struct.pack(">II", 0, 0)))
    frames = [Image.fromarray(np.full((8, 8), level, np.uint8)) for level in range(250)]
    thousands = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:] * 8)
    yield "thousands-of-frames.gif", thousands
    yield (
        "many-frames.webp",
        encoded(
            frames[0].convert("RGB"), "WEBP", save_all=True, append_images=frames[1:], lossless=True
        ),
    )
    yield "many-frames.png", encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    yield "many-frames.tif", encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    start = b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0x80, 0, 0) + bytes(6)
    rest = good("GIF")[13 + 3 * 256 :]
    yield "many-comments.gif", start + b"!\xfe\1a\0" * 500_000 + rest
    yield "long-comment.gif", start + b"!\xfe" + (b"\xff" + b"a" * 255) * 20_000 + b"\0" + rest
    yield "many-controls.gif", start + b"!\xf9\4\0\0\0\0\0" * 400_000 + rest
    yield "noise-before-the-frame.gif", start + b"\1" * 3_000_000 + rest
    yield "many-small-comments.gif", start + b"!\xfe\1a\0" * 50_000 + rest
    jpeg = good("JPEG")
    yield "many-segments.jpg", after_start(jpeg, segment(0xFE, b"") * 1_000_000)
    yield "much-filling.jpg", after_start(jpeg, b"\xff" * 4_000_000)
    yield "many-restarts.jpg", after_start(jpeg, b"\xff\xd0" * 1_000_000)
    runs = struct.pack("<IiiHHIIiiII", 40, 5_000, 5_000, 1, 8, 1, 0, 0, 0, 256, 0) + bytes(1024)
    for count, name in ((3_000_000, "long"), (500_000, "short")):
        body = runs + b"\1\7" * count
        head_ = b"BM" + struct.pack("<IHHI", 14 + len(body), 0, 0, 14 + 40 + 1024)
        yield f"{name}-runs.bmp", head_ + body
    huge = bytearray(good("BMP"))
    huge[46:50] = b"\xff\xff\xff\x7f"
    yield "too-many-colours.bmp", bytes(huge)


def _jpegs() -> Iterator[tuple[str, bytes]]:
    """JPEGs of kinds that decoders rarely meet."""
    for size, scans in ((5_000, 90), (5_000, 1_500), (1_000, 2_400), (1_000, 20_000)):
        yield f"{scans}-layers-{size}.jpg", layered_jpeg(size, scans)
    for size, scans in ((5_000, 30), (5_000, 40), (1_000, 60)):
        yield f"{scans}-repeats-{size}.jpg", repeating_jpeg(size, scans)
    plain = good("JPEG")
    at = frame_at(plain)
    for marker, name in (
        (0xC3, "lossless"),
        (0xC5, "differential"),
        (0xC9, "arithmetic"),
        (0xCA, "arithmetic-layered"),
    ):
        yield f"{name}.jpg", plain[: at + 1] + bytes([marker]) + plain[at + 2 :]
    yield "12-bit.jpg", plain[: at + 4] + b"\x0c" + plain[at + 5 :]
    for count in (0, 2, 5, 255):
        yield f"{count}-channels.jpg", plain[: at + 9] + bytes([count]) + plain[at + 10 :]
    for factors in (0x00, 0x44, 0xFF, 0x31):
        yield f"sampled-{factors:02x}.jpg", plain[: at + 11] + bytes([factors]) + plain[at + 12 :]
    yield "no-tables.jpg", plain[:2] + plain[at:]
    yield "two-sizes.jpg", plain[:at] + plain[at : at + 19] + plain[at:]
    yield "no-size.jpg", plain[:at] + plain[at + 19 :]
    yield "ends-at-once.jpg", b"\xff\xd8\xff\xd9"
    yield "short-segment.jpg", after_start(plain, b"\xff\xe0\0\0")
    yield "long-segment.jpg", after_start(plain, b"\xff\xe0\xff\xff")
    tables = bytearray(plain)
    where = tables.index(b"\xff\xc4")
    tables[where + 5 : where + 21] = b"\xff" * 16
    yield "bad-huffman-table.jpg", bytes(tables)
    yield (
        "thumbnail-bomb.jpg",
        after_start(plain, segment(0xE0, b"JFXX\0\x13\xff\xff" + bytes(100))),
    )


def _tiffs() -> Iterator[tuple[str, bytes]]:
    """Folders of tags that lie, loop or overlap."""
    body = bytes(300)
    yield "loop-of-folders.tif", tiff(grey_tags(8, 8), body, following=8)
    tags = [(1_000 + number, 7, 900_000, 0) for number in range(900)]
    yield "tags-on-top-of-each-other.tif", tiff(grey_tags(8, 8) + tags, bytes(1_000_000))
    tags = [(1_000 + number, 1, 1, 0) for number in range(60_000)]
    yield "many-tags.tif", tiff(grey_tags(8, 8) + tags, body)
    yield "tag-of-4-gib.tif", tiff([*grey_tags(8, 8), (700, 7, 2**32 - 1, 8)], body)
    yield "tag-outside.tif", tiff([*grey_tags(8, 8), (305, 2, 100, 2**32 - 1)], body)
    yield "two-widths.tif", tiff([*grey_tags(8, 8), (256, 4, 2, 100)], body)
    for count in (60_000, 1_000_000):
        rows = [tag for tag in grey_tags(8, 60_000) if tag[0] not in (273, 278, 279)]
        rows += [(273, 4, count, 300), (278, 4, 1, 1), (279, 4, count, 300)]
        yield f"{count}-strips.tif", tiff(rows, bytes(300 + 4 * count))
    tiled = [tag for tag in grey_tags(8, 8) if tag[0] not in (273, 278, 279)]
    packed = zlib.compress(bytes(2_000_000))
    tiled = [tag for tag in tiled if tag[0] != 259] + [
        (259, 3, 1, 8), (322, 4, 1, 50_000), (323, 4, 1, 50_000), (324, 4, 1, 300),
        (325, 4, 1, len(packed)),
    ]  # fmt: skip
    yield "tile-of-2500-megapixels.tif", tiff(tiled, bytes(150) + packed)
    for tag, value, name in (
        (277, 65_535, "65535-channels"), (258, 64, "64-bit"), (259, 34_712, "jpeg2000-inside"),
        (259, 99, "unknown-packing"), (262, 99, "unknown-colours"), (262, 8, "lab"),
        (273, 2**32 - 1, "strip-outside"), (278, 0, "no-rows"), (338, 9, "extra-channels"),
    ):  # fmt: skip
        changed = [one for one in grey_tags(8, 8) if one[0] != tag] + [(tag, 4, 1, value)]
        yield f"{name}.tif", tiff(changed, body)
    yield "folder-outside.tif", b"II*\0" + b"\xff\xff\xff\xff" + body
    yield "big-tiff.tif", b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) + body
    yield "float.tif", encoded(Image.new("F", (9, 9)), "TIFF")


def _metadata() -> Iterator[tuple[str, bytes]]:
    """EXIF and ICC profiles that are damaged, hostile or meant for something else."""
    plain = good("JPEG")
    loop = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x8769, 4, 1, 8) + struct.pack("<I", 8)
    blocks = {
        "loops": loop,
        "empty": b"",
        "cut": b"II*\0\x08\0\0\0\x09",
        "outside": b"II*\0\xff\xff\xff\xff",
        "long": b"MM\0*\0\0\0\x08" + b"\xff" * 60_000,
        "odd-turn": b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x0112, 3, 1, 99) + bytes(4),
        "noise": np.random.default_rng(5).bytes(500),
    }
    for name, block in blocks.items():
        yield f"exif-{name}.jpg", after_start(plain, segment(0xE1, b"Exif\0\0" + block))
        yield f"exif-{name}.png", good("PNG", exif=b"Exif\0\0" + block)
        yield f"exif-{name}.webp", good("WEBP", exif=b"Exif\0\0" + block)
    made = swapped_profile()
    noise = np.random.default_rng(6)
    profiles = {
        "noise": noise.bytes(3_000),
        "cut": made[:200],
        "empty": b"\0",
        "grey": grey_profile(),
        "inks": ink_profile(),
        "bits-turned": bytes(byte ^ (noise.random() < 0.02) for byte in ink_profile()),
        "many-tags": made[:128] + b"\xff\xff\xff\xff" + made[132:],
        "tags-outside": made[:132] + noise.bytes(len(made) - 132),
        "large": made + bytes(700_000),
    }
    for name, block in profiles.items():
        yield f"profile-{name}.jpg", good("JPEG", icc_profile=block)
        yield f"profile-{name}.png", good("PNG", icc_profile=block)
        yield f"profile-{name}.tif", good("TIFF", icc_profile=block)
        cmyk = draw_image("ball", 0, _SIZE).convert("CMYK")
        yield f"profile-{name}-cmyk.jpg", encoded(cmyk, "JPEG", icc_profile=block)


def _cuts() -> Iterator[tuple[str, bytes]]:
    """Every format cut short at six places."""
    for kind in KINDS:
        data = good(kind)
        for share in (1, 10, 30, 60, 90, 99):
            yield f"cut-at-{share}.{kind.lower()}", data[: len(data) * share // 100]


def _damaged() -> Iterator[tuple[str, bytes]]:
    """Every format with bits turned, with a wrong sum, and with noise for a body."""
    for number, kind in enumerate(KINDS):
        data = good(kind)
        drawn = np.random.default_rng(number)
        for count in (1, 3, 10, 100):
            damaged = bytearray(data)
            for at in drawn.integers(12, len(data), count):
                damaged[at] ^= 1 << int(drawn.integers(8))
            yield f"{count}-bits-turned.{kind.lower()}", bytes(damaged)
        yield f"noise.{kind.lower()}", data[:16] + drawn.bytes(5_000)
    wrong = bytearray(good("PNG"))
    wrong[29] ^= 1
    yield "wrong-sum.png", bytes(wrong)
    rows = zlib.compress(bytes((3 * 8 + 1) * 8))
    for depth, mode in ((8, 7), (3, 2), (16, 3), (0, 0)):
        head = struct.pack(">IIBBBBB", 8, 8, depth, mode, 0, 0, 0)
        yield (
            f"depth-{depth}-mode-{mode}.png",
            png(8, 8, rows).replace(
                chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)), chunk(b"IHDR", head)
            ),
        )
    yield "no-palette.png", png(8, 8, rows, mode=3)


def _polyglots() -> Iterator[tuple[str, bytes]]:
    """Images that are something else as well, and something else that is called an image."""
    tails = {
        "zip": b"PK\5\6" + bytes(18),
        "html": b"<html><script>alert(1)</script></html>",
        "pdf": b"%PDF-1.7\n%%EOF",
        "php": b"<?php echo 1; ?>",
    }
    for name, tail in tails.items():
        yield f"ends-as-{name}.jpg", good("JPEG") + tail
        yield f"ends-as-{name}.png", good("PNG") + tail
        yield f"begins-as-{name}.jpg", tail + good("JPEG")
    yield "holds-html.gif", good("GIF")[:-1] + b"!\xfe\x20<script>alert(1)</script>/*<html>*/\0;"
    yield "two-images.jpg", good("JPEG") + good("JPEG", 1)
    yield "png-called-jpeg.jpg", good("PNG")


def _other_formats() -> Iterator[tuple[str, bytes]]:
    """What Pillow would open, or a program with more parsers, and we do not."""
    image = draw_image("ball", 0, _SIZE)
    openers: tuple[tuple[str, Callable[[], bytes]], ...] = (
        ("ico", lambda: encoded(image, "ICO")),
        ("icns", lambda: b"icns" + bytes(100)),
        ("jpeg2000", lambda: encoded(image, "JPEG2000")),
        ("ppm", lambda: encoded(image, "PPM")),
        ("tga", lambda: encoded(image, "TGA")),
        ("sgi", lambda: encoded(image, "SGI")),
        ("pcx", lambda: encoded(image, "PCX")),
        ("eps", lambda: encoded(image, "EPS")),
        ("pdf", lambda: b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"),
        ("svg", lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="99" height="99"/>'),
        ("heif", lambda: b"\0\0\0\x18ftypheic" + bytes(100)),
        ("avif", lambda: b"\0\0\0\x1cftypavif" + bytes(100)),
        ("psd", lambda: b"8BPS\0\1" + bytes(100)),
        ("dds", lambda: b"DDS " + bytes(200)),
        ("fits", lambda: b"SIMPLE  =                    T" + b" " * 2_000),
        ("wmf", lambda: b"\xd7\xcd\xc6\x9a" + bytes(100)),
        ("riff", lambda: b"RIFF\x20\0\0\0WAVEfmt " + bytes(30)),
        ("zip", lambda: b"PK\3\4" + bytes(100)),
        ("text", lambda: b"this is no image\n" * 100),
        ("nothing", lambda: b""),
        ("one-byte", lambda: b"\xff"),
    )
    for name, make in openers:
        yield f"{name}.called.jpg", make()
    yield "drawn.tiff.png", image_bytes(kind="TIFF")
