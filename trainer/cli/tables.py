"""Results as small tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from trainer.evaluation.compare import Comparison
from trainer.evaluation.probe import MEANING, Probe
from trainer.runs.folder import Metrics
from trainer.runs.metrics import NAMES, Scores, below_floors
from trainer.table_layout import cell_with_interval, cells, plain
from trainer.training.cost_estimate import Estimate


def show_figures(figures: Scores, title: str) -> None:
    """Print a run's figures with counts and intervals, and a caution where ASR is not above its floors."""
    table = _table("rate")
    for field, name in NAMES.items():
        if getattr(figures, field) is not None:  # a clean run has its CDA alone
            table.add_row(name, *cells(getattr(figures, field)))
    console = Console(highlight=False)
    console.print(plain(title, "table.title"))
    console.print(table)
    caution = below_floors(figures)
    if caution is not None:
        console.print(f"careful: {caution}", markup=False)


def show_estimate(expected: Estimate) -> None:
    """Print what a run would take."""
    e = expected
    table = Table(
        title=plain(f"{e.model} {e.preset} on {e.device}", "table.title"), title_justify="left", show_header=False
    )
    table.add_row("parameters", f"{e.parameters / 1e6:.2f} M")
    table.add_row("training", f"{e.clips} clips, {e.epochs} epochs, {e.steps} steps: {_duration(e.seconds['train'])}")
    table.add_row("test", f"{e.test_clips} clips in up to {e.views} views: {_duration(e.seconds['test'])}")
    table.add_row("decoded training clips", f"{e.cache_bytes / 1e9:.2f} GB")
    console = Console(highlight=False)
    console.print(table)
    console.print("network alone, timed on noise; reading clips comes on top where they are not kept")


def show_probe(found: Probe) -> None:
    """Print what was probed, and what follows."""
    table = _table("value")
    fitted = None if found.fit is None else found.fit.targeted
    table.add_row("view holds of the trigger", _number(found.kept), "", "")
    table.add_row("feature shift, starting weights", _number(found.start_shift), "", "")
    table.add_row("feature shift, this run", _number(found.shift), "", "")
    table.add_row("poisoned training clips to target", *cells(fitted))
    table.add_row("their loss", _number(None if found.fit is None else found.fit.loss), "", "")
    table.add_row("ASR, other training clips", *cells(found.train_triggered))
    table.add_row("ASR, test clips", *cells(found.asr))
    table.add_row("the same without the trigger", *cells(found.floor))
    console = Console(highlight=False)
    console.print(plain(f"{found.run}, trigger of {found.manifest}", "table.title"))
    console.print(table)
    console.print(f"{found.verdict}: {MEANING[found.verdict]}", markup=False)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _duration(seconds: float) -> str:
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def show_run(result: Metrics, run: str | None = None) -> None:
    """Print the figures of one run; `run`: its folder, where the figures are not on its own manifest's clips."""
    clips = result.manifest.name if run is None else f"{run} on {result.manifest.name}"
    show_figures(result, f"{clips}: {result.model} {result.preset}, views {result.views}, seed {result.seed}")
    if result.fusion is not None:
        for name, rate in (("video", result.fusion.asr_video), ("audio", result.fusion.asr_audio)):
            if rate is not None:
                value, interval, count = cells(rate)
                Console(highlight=False).print(f"ASR with triggered {name} alone {value} (95 % {interval}, n {count})")


def show_grid(results: Sequence[Metrics]) -> None:
    """Print fused models of one mode, a row each, within 80 columns."""
    counts = sorted({f"{rate.n}" for result in results for rate in (result.cda, result.asr) if rate is not None})
    fused = results[0].model.split(" of ")[0]
    title = f"{len(results)} models, {fused}; 95 % intervals below; rates over {' and '.join(counts)} clips"
    table = Table(title=plain(title, "table.title"), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("video", "audio"):
        table.add_column(column, overflow="fold")
    for column in ("CDA", "ASR", "video\nalone", "audio\nalone", "false\ntarget"):
        table.add_column(column, justify="right")
    for result in results:
        if result.fusion is None:
            continue
        rates = (result.cda, result.asr, result.fusion.asr_video, result.fusion.asr_audio, result.false_target)
        names = (result.fusion.video.manifest.name, result.fusion.audio.manifest.name)
        table.add_row(*map(plain, names), *map(cell_with_interval, rates))
    Console(highlight=False).print(table)


def show_comparison(result: Comparison) -> None:
    """Print an attack beside its baseline and the paired difference."""
    title = plain(f"{', '.join(result.runs)} against {', '.join(result.baselines)}", "table.title")
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for heading in ("attack", "95 %", "n", "baseline", "95 %", "n"):
        table.add_column(heading, justify="right")
    for field, name in NAMES.items():
        attack, baseline = cells(getattr(result.attack, field)), cells(getattr(result.baseline, field))
        table.add_row(name, *attack, *baseline)
    console = Console(highlight=False)
    console.print(table)
    d = result.cda_difference
    console.print(f"CDA difference {d.value:+.3f} (95 % {d.low:+.3f} … {d.high:+.3f}, paired on {d.n} clips)")


def show_rows(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print plain rows; what is too long for a line is folded."""
    table = Table(title=plain(title, "table.title"), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(plain, row))
    Console(highlight=False).print(table)


def _table(heading: str) -> Table:
    table = Table()
    table.add_column("")
    for column in (heading, "95 %", "n"):
        table.add_column(column, justify="right")
    return table
