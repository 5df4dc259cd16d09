"""A preview as a page of HTML that needs no other file."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

import poisonkit
from poisonkit.manifest import Attack
from poisonkit.preview.template import PAGE


def attack_summary(attack: Attack) -> str:
    """An attack with its parameters, for a page."""
    params = ", ".join(f"{name} {value}" for name, value in attack.params.items())
    return f"{attack.name}, {attack.mode}" + (f": {params}" if params else "")


def page(title: str, facts: Sequence[tuple[str, str]], body: str) -> str:
    """A page of its own: title and facts as text, the body as HTML."""
    rows = "\n".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in facts)
    return PAGE.format(title=html.escape(title), table=rows, body=body, version=html.escape(poisonkit.__version__))


def embed(kind: str, data: bytes) -> str:
    """Data of a media type as a URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
