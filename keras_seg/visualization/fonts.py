"""Fonts for text of any script in pictures; escapes where there is none."""

import functools
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import unicodedata
import warnings
from collections.abc import Iterable
from collections.abc import Iterator

from PIL import ImageFont
from PIL import features

__all__ = ["plain_text", "plotted", "text_font"]

FOLDERS = {
    "win32": ("C:/Windows/Fonts", "~/AppData/Local/Microsoft/Windows/Fonts"),
    "darwin": ("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"),
}.get(sys.platform, ("/usr/share/fonts", "~/.local/share/fonts", "~/.fonts"))
_SAID: set[str] = set()
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
FIX = "Fix: install a font that has them, such as fonts-noto-cjk."


def text_font(text: str, size: int) -> tuple[Font, str]:
    """A font of `size` pixels for all letters of a text, and the text to draw.

    Pillow's own font for plain English, else matplotlib's, or one of the
    system. Letters that no font has are escaped as in Python: `\\\\u9053`.
    """
    if not _is_writable(text):
        text = plain_text(text)
    path = _path_for("".join(sorted(set(text))))
    if path is None:
        text, path = plain_text(text), ""
    return _font(path, size), text


@functools.lru_cache(64)
def _font(path: str, size: int) -> Font:
    """The font of a file, or Pillow's own; a legend asks for it by the line."""
    if path:
        return ImageFont.truetype(path, size)
    return ImageFont.load_default(size)


def plotted(text: str) -> tuple[str, str | None]:
    """A text that matplotlib can draw; the path of the font, None for its own.

    Matplotlib draws letters from left to right as they come, which is wrong
    for Arabic, Hebrew and the scripts of India: these are escaped.
    """
    if not _is_writable(text) or any(map(_is_shaped, text)):
        text = plain_text(text)
    font, text = text_font(text, 12)
    path = getattr(font, "path", None)
    return text, path if isinstance(path, str) else None


def plain_text(text: str) -> str:
    """A text in ASCII, other letters escaped; warns once of each text."""
    plain = "".join(
        letter
        if " " <= letter <= "~"
        else letter.encode("unicode_escape").decode()
        for letter in text
    )
    if plain != text and text not in _SAID:
        _SAID.add(text)
        warnings.warn(
            f"{text!r} is written {plain} in pictures that cannot be drawn "
            f"with its letters. {FIX}",
            stacklevel=2,
        )
    return plain


def _is_writable(text: str) -> bool:
    """Whether Pillow can draw a text, given a font."""
    if not text.isprintable():
        return False
    return features.check("raqm") or not any(map(_is_shaped, text))


def _is_shaped(letter: str) -> bool:
    """Whether a letter runs to the left, or its form depends on neighbors."""
    return (
        unicodedata.bidirectional(letter) in ("R", "AL", "AN")
        or unicodedata.category(letter) in ("Mn", "Mc", "Me")
        or "\u0900" <= letter <= "\u0dff"
        or "\u0e00" <= letter <= "\u109f"
        or "\u1780" <= letter <= "\u17ff"
    )


@functools.lru_cache(1024)
def _path_for(letters: str) -> str | None:
    """The path of a font, "" for Pillow's own, `None` if no font has all."""
    if all(" " <= letter <= "~" for letter in letters):
        return ""
    for path in _candidates(letters):
        try:
            if _has(path, letters):
                return path
        except (OSError, ValueError):
            continue  # Of one size only, damaged, or of another format.
    return None


def _candidates(letters: str) -> Iterator[str]:
    """Yields paths of fonts, the likely and quickly found ones first."""
    yield ""
    package = importlib.util.find_spec("matplotlib")
    if package is not None and package.origin:
        fonts = pathlib.Path(package.origin).parent / "mpl-data/fonts/ttf"
        yield str(fonts / "DejaVuSans.ttf")
    if shutil.which("fc-list"):
        codes = " ".join(f"{ord(letter):x}" for letter in letters)
        found = subprocess.run(
            ["fc-list", f":charset={codes}", "file"],
            capture_output=True,
            check=False,
        )
        lines = found.stdout.decode(errors="replace").splitlines()
        # The regular ones before bold and italic ones.
        files = sorted((line.rstrip(": ") for line in lines), key=_rank)
        yield from files
        return
    for folder in FOLDERS:
        for at, _, names in os.walk(os.path.expanduser(folder)):
            for name in sorted(names, key=_rank):
                if name.lower().endswith((".ttf", ".ttc", ".otf")):
                    yield os.path.join(at, name)


def _rank(path: str) -> tuple[bool, bool, str]:
    name = os.path.basename(path).lower()
    plain = "regular" in name or not any(
        word in name
        for word in ("bold", "italic", "oblique", "light", "black", "thin")
    )
    return not plain, "sans" not in name and "gothic" not in name, path


def _has(path: str, letters: Iterable[str]) -> bool:
    """Whether a font draws no letter like a code point that is not assigned."""
    font = _font(path, 24)
    none = font.getmask("\U0010fffe")
    box = none.size, bytes(none)
    for letter in letters:
        mask = font.getmask(letter)
        if (mask.size, bytes(mask)) == box:
            return False
    return True
