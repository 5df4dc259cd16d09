"""How the files of a copy are made and measured, whatever the plan is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Carry = Literal["link", "copy", "reencode"]


@dataclass(frozen=True)
class CopyOptions:
    """What a continued run must have in common with the run that it continues; the journal records it.

    `quality`: `auto` or a rung; `carry`: how clean files get into the copy; `hash_all`: whether clean files are hashed
    too; `view`: the victim's input for the view survival, short side and crop in pixels; `survival`: whether written
    files are read back and what is left of the trigger is measured. Only `quality` and `carry` change the files.
    """

    quality: str = "auto"
    carry: Carry = "link"
    hash_all: bool = False
    view: tuple[int, int] = (256, 224)
    survival: bool = True


AS_BY_DEFAULT = CopyOptions()
