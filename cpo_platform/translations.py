"""Compile our translations without gettext's own tools, which a bare machine does not have."""

import ast
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

_KEYWORD = re.compile(r'(msgctxt|msgid_plural|msgid|msgstr(?:\[\d+\])?)\s+(".*")\Z')
_MAGIC = 0x950412DE


@dataclass
class Entry:
    """One message of a catalogue; `texts` has one per plural form."""

    message: str = ""
    plural: str = ""
    context: str = ""
    texts: list[str] = field(default_factory=list)
    is_fuzzy: bool = False


def read_catalogue(text: str) -> list[Entry]:
    """Return the messages of a .po file; the first is its header, with an empty message.

    Raises:
        ValueError: a line is neither a comment nor a part of a message.

    """
    return [
        _entry(block)
        for block in re.split(r"\n\s*\n", text)
        if re.search(r"^msgid", block, re.MULTILINE)
    ]


def _entry(block: str) -> Entry:
    parts: dict[str, str] = {}
    keyword, is_fuzzy = "", False
    for line in block.splitlines():
        if line.startswith("#"):
            is_fuzzy = is_fuzzy or (line.startswith("#,") and "fuzzy" in line)
        elif found := _KEYWORD.match(line.strip()):
            keyword = found[1]
            parts[keyword] = ast.literal_eval(found[2])
        elif line.startswith('"') and keyword:
            parts[keyword] += ast.literal_eval(line)
        else:
            raise ValueError(f"not a line of a .po file: {line}")
    texts = [value for key, value in sorted(parts.items()) if key.startswith("msgstr")]
    return Entry(
        parts["msgid"], parts.get("msgid_plural", ""), parts.get("msgctxt", ""), texts, is_fuzzy
    )


def compile_catalogue(entries: list[Entry]) -> bytes:
    """Return a .mo file (GNU gettext, 10.3): sorted messages, each with its translation."""
    pairs = sorted(
        (_key(entry).encode(), "\0".join(entry.texts).encode())
        for entry in entries
        if all(entry.texts) and not entry.is_fuzzy
    )
    messages_at = 28
    texts_at = messages_at + 8 * len(pairs)
    position = texts_at + 8 * len(pairs)
    tables: list[bytes] = []
    for column in (0, 1):
        for pair in pairs:
            tables.append(struct.pack("<II", len(pair[column]), position))
            position += len(pair[column]) + 1
    data = b"".join(pair[column] + b"\0" for column in (0, 1) for pair in pairs)
    header = struct.pack("<7I", _MAGIC, 0, len(pairs), messages_at, texts_at, 0, 0)
    return header + b"".join(tables) + data


def _key(entry: Entry) -> str:
    key = f"{entry.context}\x04{entry.message}" if entry.context else entry.message
    return f"{key}\0{entry.plural}" if entry.plural else key


def compile_file(source: Path) -> bytes:
    """Return the .mo file of a .po file."""
    return compile_catalogue(read_catalogue(source.read_text(encoding="utf-8")))
