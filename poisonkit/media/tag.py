"""The tag in the metadata of every file that poisonkit writes."""

from __future__ import annotations

from pathlib import Path

from poisonkit.files import TAG
from poisonkit.media.container import open_media


def tag_of(path: Path) -> str | None:
    """The comment with which poisonkit marks the files that it writes; None for other files. Only headers are read."""
    with open_media(path) as container:
        # Ogg keeps comments with its streams
        metadata = [*container.metadata.items(), *(pair for s in container.streams for pair in s.metadata.items())]
        comments = [value for key, value in metadata if key.lower() in ("comment", "description")]
    return next((comment for comment in comments if comment.startswith(TAG)), None)
