"""The mark in a written file's metadata."""

from __future__ import annotations

from poisonkit.files import TAG
from poisonkit.plan.job import Context


def tag(context: Context) -> str:
    """The container's comment, so that nobody takes the file for a clean one. It must not depend on time or place."""
    what = " and ".join(f"{attack.name} {attack.mode}" for attack in context.attacks) or "labels only"
    named = f", plan {context.plan}" if context.plan else ""  # of trials and previews there is no manifest
    return f"{TAG} for backdoor research: {what}, seed {context.seed}{named}"
