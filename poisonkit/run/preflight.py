"""What is looked at before a run begins: places, an earlier copy, room on the disk."""

from __future__ import annotations

import shutil
from pathlib import Path

from poisonkit import manifest as contract
from poisonkit.errors import ManifestError, PoisonkitError
from poisonkit.files import FOLDER
from poisonkit.manifest import Manifest
from poisonkit.media.encoders import container_of
from poisonkit.plan.plan import Plan
from poisonkit.run.settings import Settings
from poisonkit.run.settings_diff import differing
from poisonkit.text import argument


def check_places(plan: Plan, settings: Settings) -> None:
    """Raise `PoisonkitError` where the copy or its manifest cannot go, or a file of the source cannot be written."""
    source, out = plan.listing.root.resolve(), settings.out.resolve()
    if source == out or source in out.parents or out in source.parents:
        raise PoisonkitError(
            f"{argument('out', settings.out)} and the source {plan.listing.root} lie in one another",
            "give a folder beside it",
        )
    if settings.out.exists() and not settings.out.is_dir():
        raise PoisonkitError(f"{argument('out', settings.out)} is a file", "give the name of a new folder")
    for job in plan.written():
        container_of(job.path)  # says so now for a type that cannot be written, not hours later
    check_manifest(settings.manifest, out)


def check_manifest(path: Path, root: Path) -> None:
    """Refuse to write over the manifest of other files, or over anything that is none."""
    if path.is_dir():
        raise PoisonkitError(f"{argument('manifest', path)} is a folder", "give the name of a JSON file")
    if not path.exists():
        return
    try:
        there = contract.root_of(contract.load(path), path)
    except ManifestError:
        raise PoisonkitError(
            f"{path} exists and is no manifest", f"remove it, or give another {argument('manifest')}"
        ) from None
    if there.resolve() != root.resolve():
        raise PoisonkitError(f"{path} is the manifest of {there}", f"give another name: {argument('manifest')}")


def finished_before(plan: Plan, settings: Settings) -> Manifest | None:
    """The manifest of the same plan, if it was carried out before.

    Raises `PoisonkitError` when the output holds something else, or when files of it are missing.
    """
    out = settings.out
    if not out.exists() or not any(out.iterdir()) or (out / FOLDER).exists():
        return None
    remedy = f"remove it, or give another {argument('out')}"
    try:
        manifest = contract.load(settings.manifest)
    except ManifestError:
        raise PoisonkitError(f"{out} exists and is not an unfinished run of poisonkit", remedy) from None
    found = differing(manifest, plan, settings)
    if found:
        raise PoisonkitError(
            f"{out} holds another copy ({settings.manifest}), made with {', '.join(found)}", f"{remedy}"
        )
    missing = [sample.path for sample in manifest.samples if not (out / sample.path).is_file()]
    if missing:
        raise PoisonkitError(
            f"{out} lacks {len(missing)} of the {len(manifest.samples)} files of {settings.manifest}, such as "
            f"{missing[0]}",
            "remove the folder to have it written again",
        )
    return manifest


def check_space(settings: Settings, need: int) -> None:
    free = shutil.disk_usage(settings.out).free
    if need > free:
        raise PoisonkitError(
            f"the copy needs about {need / 1e9:.2f} GB, {settings.out} has {free / 1e9:.2f} GB free",
            f"make room, give another {argument('out')}, or a cheaper {argument('quality')}",
        )
