"""PNG files of every depth, which Pillow reads but does not write."""

import struct
import zlib

__all__ = ["png_chunk", "write_png"]

_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def write_png(path, pixels, bits):
    """Write `(height, width, channels)` of 1, 2, 4, 8 or 16 bits."""
    height, width, channels = pixels.shape
    raw = b""
    for row in pixels:
        if bits == 16:
            raw += b"\0" + row.astype(">u2").tobytes()
            continue
        text = "".join(f"{v:0{bits}b}" for v in row.ravel().tolist())
        text = text.ljust(-(-len(text) // 8) * 8, "0")
        raw += b"\0" + int(text, 2).to_bytes(len(text) // 8, "big")
    head = struct.pack(
        ">IIBBBBB", width, height, bits, _COLOR_TYPES[channels], 0, 0, 0
    )
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + png_chunk(b"IDAT", zlib.compress(raw))
        + png_chunk(b"IEND", b"")
    )
    return path


def png_chunk(name, body):
    """A chunk with its length and check sum."""
    check = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", check)
