"""`poisonkit verify`."""

from __future__ import annotations

import typer

from poisonkit.cli import options, output


def verify(manifest: options.ManifestFile, rederive: options.Rederive = False, as_json: options.Json = False) -> None:
    """Check a copy against its manifest: hashes, frames, labels, nothing missing or extra.

    Exit code 1 if something is off.
    """
    from poisonkit import manifest as contract
    from poisonkit.audit import rederive as deriving
    from poisonkit.audit import verify as checking

    made = contract.load(manifest)
    again = deriving.rederive(made) if rederive else None
    total = len(made.samples)
    screen = output.screen()
    screen.begin("verifying", total, total)
    try:
        report = checking.verify(manifest, lambda: screen.advance(1))
    finally:
        screen.end()
    problems = report.problems + (again.problems if again else [])
    if as_json:
        counts = {"files": report.files, "hashed": report.hashed}
        derived = {"rederived": again.samples, "notes": again.notes} if again else {}
        output.show_json({"ok": not problems, **counts, **derived, "problems": problems})
    else:
        for note in again.notes if again else []:
            screen.say(f"note: {note}")
        for problem in problems:
            output.line(problem)
        many = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        verdict = many if problems else "all is as the manifest says"
        derived_too = f", {again.samples} samples derived again" if again else ""
        output.line(f"{report.files} files, {report.hashed} hashes compared{derived_too}: {verdict}")
    if problems:
        raise typer.Exit(1)
