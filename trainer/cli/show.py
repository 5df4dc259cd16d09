"""What people look at: `trainer explain`, `report` and `models`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.options import Json, print_json
from trainer.errors import TrainerError
from trainer.text import shown


def explain(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    clips: Annotated[int, typer.Option(help="How many test clips, one of each class before a second of any.")] = 4,
    explained: Annotated[
        str | None,
        typer.Option(
            "--class",
            help="Explain this class, by name or label. Default: the target for triggered clips, for clean ones the "
            "class that the victim predicts.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show where a victim looks, on clean clips and the same with the trigger: Grad-CAM.

    Pictures and their index go to RUN/explanations/, from where `report` takes them.
    """
    from trainer.cli.tables import show_rows
    from trainer.evaluation import grad_cam as explaining
    from trainer.progress import Progress

    result = explaining.explain(explaining.ExplainOptions(run, clips, explained), Progress())
    if json:
        print_json(result)
        return
    rows = [(p.file, p.clip, p.explained, f"{p.score:.3f}", p.predicted) for p in result.pictures]
    show_rows(f"{run / 'explanations'}: {result.layer}", ("picture", "clip", "explained", "score", "predicted"), rows)


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of finished runs, fused ones too.")],
    out: Annotated[Path, typer.Option(help="The page's file.")] = Path("report.html"),
    clips: Annotated[int, typer.Option(help="How many clips to show of each manifest.")] = 2,
    json: Json = False,
) -> None:
    """Write a page about runs: figures and floors, clips, curves, defenses, and how to do it again.

    One file without scripts, which asks for nothing from elsewhere. Baselines among the runs are found and compared;
    runs that differ in seed or fold alone are pooled.
    """
    from trainer.progress import Progress
    from trainer.report import page

    if out.suffix.lower() not in (".html", ".htm"):
        raise TrainerError(f"a page cannot be written as {out.name!r}", "give a name that ends in .html")
    result = page.report(page.ReportOptions(runs, out, clips), Progress())
    if json:
        print_json(result)
        return
    count = len(result.runs)
    print(shown(f"{result.page}: {count} run{'s' if count > 1 else ''}, {result.bytes / 1e6:.1f} MB"))


def models(json: Json = False) -> None:
    """List the victims with their presets."""
    import msgspec

    from trainer import models as registry

    listing = {name: sorted(registry.find(name).presets) for name in registry.names()}
    if json:
        print(msgspec.json.encode(listing).decode())
        return
    for name, presets in listing.items():
        print(f"{name}: {', '.join(presets)}")
