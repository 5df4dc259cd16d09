"""Words for people: names from elsewhere, how they are shown, and arguments that messages name."""

from __future__ import annotations

import json
import re
import shlex

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


_ARGUMENT = re.compile("\ue000(.*?)\ue001", re.DOTALL)


def argument(name: str, *value: object) -> str:
    """What a message says where it names an argument, with its value if one is given, such as `skip_broken`, True.

    The library knows no command line: whoever shows the message words it, by `as_options` or `as_arguments`.
    """
    return f"\ue000{json.dumps([name, *value], default=str)}\ue001"


def as_options(text: str) -> str:
    """A message with its arguments as options of the command line: `--skip-broken`, `--no-survival`, `--rate 0.1`."""
    return _ARGUMENT.sub(lambda found: _option(*json.loads(found[1])), text)


def as_arguments(text: str) -> str:
    """A message with its arguments as Python has them: `skip_broken=True`, `survival=False`, `rate=0.1`."""
    return _ARGUMENT.sub(lambda found: "=".join([(given := json.loads(found[1]))[0], *map(repr, given[1:])]), text)


class ExplainedError(Exception):
    """A mistake that its user can mend: `fact` says what was wrong with which value, `remedy` what to do next.

    Arguments are named by `argument`; `str` words them as Python has them, `on_command_line` as options.
    """

    def __init__(self, fact: str, remedy: str = "") -> None:
        super().__init__(fact, remedy)
        self.fact, self.remedy = fact, remedy

    @property
    def message(self) -> str:
        """Both as one sentence whose arguments are not worded yet, for another message to hold."""
        return f"{self.fact}; {self.remedy}" if self.remedy else self.fact

    def __str__(self) -> str:
        return as_arguments(self.message)

    def on_command_line(self) -> str:
        """The sentence for someone who typed a command."""
        return as_options(self.message)


def _option(name: str, *value: object) -> str:
    word = name.replace("_", "-")
    if not value or value[0] is True:  # 0 and 1 are values like any other
        return f"--{word}"
    return f"--no-{word}" if value[0] is False else f"--{word} {shlex.quote(str(value[0]))}"
