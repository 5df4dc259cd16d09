"""`poisonkit inspect`."""

from __future__ import annotations

from poisonkit.cli import options, output


def inspect(manifest: options.ManifestFile, as_json: options.Json = False) -> None:
    """Show what a manifest holds: header, splits, and how much of the trigger the files still carry."""
    from poisonkit import manifest as contract
    from poisonkit import show

    made = contract.load(manifest)
    if as_json:
        lacking = [sample.id for sample, _ in show.lacking(made)]
        output.show_json({**dict(show.manifest_facts(made)), "splits": made.splits, "below_0.9": lacking})
        return
    output.show(show.facts(str(manifest), show.manifest_facts(made)))
    if made.encoding.trials:
        output.show(show.trials("Trials", made.encoding.trials))
    output.show(show.fidelity(made))
