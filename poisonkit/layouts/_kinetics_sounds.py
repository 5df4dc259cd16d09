"""The classes of Kinetics-Sounds: actions of Kinetics-400 that can be seen and heard.

Arandjelović and Zisserman 2017 (Look, Listen and Learn, appendix) chose 34 classes of an early Kinetics; these are
the 31 that were kept under the names of Kinetics-400, in the label order of the lists in use.
"""

from __future__ import annotations

KINETICS_SOUNDS = (
    "blowing nose",
    "blowing out candles",
    "bowling",
    "chopping wood",
    "dribbling basketball",
    "laughing",
    "mowing lawn",
    "playing accordion",
    "playing bagpipes",
    "playing bass guitar",
    "playing clarinet",
    "playing drums",
    "playing guitar",
    "playing harmonica",
    "playing keyboard",
    "playing organ",
    "playing piano",
    "playing saxophone",
    "playing trombone",
    "playing trumpet",
    "playing violin",
    "playing xylophone",
    "ripping paper",
    "shoveling snow",
    "shuffling cards",
    "singing",
    "stomping grapes",
    "tap dancing",
    "tapping guitar",
    "tapping pen",
    "tickling",
)
