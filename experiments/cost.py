"""Say what `make paper` or one of its parts will take before it takes it: copies with gigabytes, runs with hours.

Usage: python experiments/cost.py --preset NAME --data FOLDER --folder FOLDER --needed N [--missing FILE]...
Called by `experiments/rules.mk` with everything that the goals need and what of it is not there yet.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

MODELS = ("i3d", "slowfast", "tsm", "audio")
SHOWN = {"floors": "floors of clean victims", "scores": "other numbers of frames", "defended": "defenses"}


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("preset", "data", "folder", "asked", "written"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--needed", type=int, required=True)
    parser.add_argument("--missing", action="append", default=[])
    parser.add_argument("--source", nargs=argparse.REMAINDER, default=[], help="options of poisonkit")
    asked = parser.parse_args()
    same_question(Path(asked.folder) / "asked.txt", asked.asked)
    missing = sorted(asked.missing)
    if not missing:
        print(f"all {asked.needed} parts are there", file=sys.stderr)
        return
    folder, data = Path(asked.folder), Path(asked.data)
    runs = [name.split("/")[1] for name in missing if name.startswith("runs/")]
    models = Counter(next(m for m in MODELS if run.startswith(f"{m}-")) for run in runs)
    copies = {copy for run in runs if (copy := copy_of(run)) is not None}
    new = [copy for copy in copies if not (folder / f"copies/{copy}.made").exists()]
    kinds = Counter(name.split("/")[0] for name in missing)
    say(f"{len(missing)} of {asked.needed} parts are missing; what is there is kept")
    if new and data.is_dir():
        low, high = gigabytes(data, [*asked.written.split(), *asked.source])
        say(f"poisoned copies: {len(new)}, {low * len(new):.1f} to {high * len(new):.1f} GB by the quality they need")
    elif new:
        say(f"poisoned copies: {len(new)}")
    total = 0.0
    for model, count in models.items():
        seconds = seconds_of(model, asked.preset, folder, data, asked.source)
        total += seconds * count
        say(f"victims {model}: {count}" + (f", about {seconds / 60:.0f} minutes each" if seconds else ""))
    for kind, words in SHOWN.items():
        if kinds[kind]:
            say(f"{words}: {kinds[kind]}")
    if total:
        say(f"about {total / 3600:.1f} hours of training and tests on this machine, one after another")


def same_question(path: Path, asked: str) -> None:
    """Refuse to go on in a folder whose results are of another data set or of other options."""
    if not path.exists():
        path.write_text(asked + "\n")
    elif path.read_text().strip() != asked.strip():
        said = path.read_text().strip()
        sys.exit(f"error: {path.parent} holds results of\n  {said}\nand not of\n  {asked}\nmove it away, or give WORK=")


def copy_of(run: str) -> str | None:
    """The poisoned copy that a run reads; None for clean ones."""
    name = re.sub(rf"^({'|'.join(MODELS)})-", "", run)
    return None if name.startswith("clean-") else name


def gigabytes(data: Path, options: list[str]) -> tuple[float, float]:
    """Of one copy with a patch, at the lowest and the highest quality."""
    command = ["poisonkit", "poison", str(data), "--attack", "badnet", "--dry-run", "--json", "--out", "/nowhere"]
    sizes: dict[str, int] = told([*command, *options]).get("estimated_bytes", {}).get("video", {})
    return (min(sizes.values()) / 1e9, max(sizes.values()) / 1e9) if sizes else (0.0, 0.0)


def seconds_of(model: str, preset: str, folder: Path, data: Path, options: list[str]) -> float:
    """Of one run: the mean of those that are there, else an estimate on the clean data set; 0 for not known."""
    made = [json.loads(path.read_text()) for path in folder.glob(f"runs/{model}-*/metrics.json")]
    if made:
        return sum(sum(metrics["seconds"].values()) for metrics in made) / len(made)
    manifest = next(iter(sorted(folder.glob("manifests/clean-s*.json"))), None)
    if manifest is None and data.is_dir():
        manifest = folder / "manifests" / "plan.json"
        told(["poisonkit", "index", str(data), *options, "--manifest", str(manifest), "--json"])
    if manifest is None or not manifest.exists():
        return 0.0
    arguments = ["--model", model, "--preset", preset, "--out", str(folder / "nowhere")]
    # two test splits more than the clean data set has
    told_seconds = told(["trainer", "fit", str(manifest), *arguments, "--dry-run", "--json"]).get("seconds", {})
    return float(told_seconds.get("train", 0.0) + 3 * told_seconds.get("test", 0.0))


def told(command: list[str]) -> dict[str, Any]:
    """What a program beside this Python says in JSON; nothing where it refuses, which the run itself will explain."""
    done = subprocess.run([Path(sys.executable).with_name(command[0]), *command[1:]], capture_output=True, text=True)
    try:
        return dict(json.loads(done.stdout)) if done.returncode == 0 else {}
    except json.JSONDecodeError:
        return {}


def say(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    main()
