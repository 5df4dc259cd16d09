"""Words from elsewhere, such as names of files and classes: which may be names, and how they are shown."""

from __future__ import annotations

import re

MOST = 2000
"""Characters of a text that are shown; of a longer one the middle is left out."""

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# those that turn the direction of writing may make a name look like another; lone halves of pairs cannot be written
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def has_controls(text: str) -> bool:
    """Whether a text holds line breaks or other control characters (C0, DEL, C1), which no name may."""
    return not text.isprintable() and _CONTROLS.search(text) is not None


def shown(text: str) -> str:
    """A text as one line that a terminal can be given: control characters escaped, at most `MOST` characters."""
    if len(text) > MOST:
        text = f"{text[: MOST // 2]} … {text[-MOST // 2 :]}"
    return text if text.isprintable() else _HIDDEN.sub(_escaped, text)


def harmless_json(text: str) -> str:
    """JSON with what its writers leave as it is, but terminals obey or cannot be given, as escapes of JSON's own."""
    return re.sub("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", lambda m: f"\\u{ord(m[0]):04x}", text)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
