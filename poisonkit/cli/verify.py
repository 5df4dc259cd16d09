"""`poisonkit verify`."""

from __future__ import annotations

import sys

import typer

from poisonkit.cli import options, output


def verify(manifest: options.ManifestFile, as_json: options.Json = False) -> None:
    """Check a copy against its manifest: hashes, frames, labels, nothing missing or extra.

    Exit code 1 if something is off.
    """
    from poisonkit import manifest as contract
    from poisonkit import verify as checking

    total = len(contract.load(manifest).samples)
    screen = output.screen()
    screen.begin("verifying", total, total)
    try:
        report = checking.verify(manifest, lambda: screen.advance(1))
    finally:
        screen.end()
    if as_json:
        counts = {"files": report.files, "hashed": report.hashed}
        output.show_json({"ok": not report.problems, **counts, "problems": report.problems})
    else:
        for problem in report.problems:
            sys.stdout.write(f"{problem}\n")
        verdict = f"{len(report.problems)} problems" if report.problems else "all is as the manifest says"
        sys.stdout.write(f"{report.files} files, {report.hashed} hashes compared: {verdict}\n")
    if report.problems:
        raise typer.Exit(1)
