"""Results as small tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trainer.evaluation.compare import Comparison
from trainer.proportion import Proportion
from trainer.runs.folder import Metrics
from trainer.runs.metrics import Scores
from trainer.text import shown
from trainer.training.cost_estimate import Estimate

NAMES = {
    "cda": "CDA",
    "asr": "ASR",
    "asr_all": "ASR (all)",
    "ra": "RA",
    "false_target": "false target",
    "sham_asr": "sham ASR",
}
"""The figures in the order in which they are shown; the last two are the floors under ASR."""


def plain(text: str, style: str = "") -> Text:
    """A cell or a title of a table, no word of which is markup."""
    return Text(shown(text), style=style)


FLOORS = ("false_target", "sham_asr")
"""The floors under ASR that a run has by itself."""


def show_figures(figures: Scores, title: str) -> None:
    """Print a run's figures with counts and intervals, and a caution where ASR is not above its floors."""
    table = _table("share")
    for field, name in NAMES.items():
        if getattr(figures, field) is not None:  # a clean run has its CDA alone
            table.add_row(name, *cells(getattr(figures, field)))
    console = Console(highlight=False)
    console.print(plain(title, "table.title"))
    console.print(table)
    caution = below_floors(figures)
    if caution is not None:
        console.print(f"careful: {caution}", markup=False)


def below_floors(figures: Scores, more: Mapping[str, Proportion | None] | None = None) -> str | None:
    """A sentence where ASR is not surely above a share of clips that carry no trigger, or find no backdoor.

    `more`: floors besides the run's own, by the name that the sentence gives them.
    """
    asr = figures.asr
    floors = {NAMES[field]: getattr(figures, field) for field in FLOORS} | dict(more or {})
    reached = {name: floor for name, floor in floors.items() if asr and floor and not asr.is_above(floor)}
    if asr is None or not reached:
        return None
    *others, last = (f"{name} ({floor.low:.3f} … {floor.high:.3f})" for name, floor in reached.items())
    named = f"{', '.join(others)} and {last}" if others else last
    return (
        f"The interval of ASR, {asr.low:.3f} … {asr.high:.3f}, does not lie above that of {named}. Clips may go to the "
        f"target as often for other reasons: nothing can be told about the attack from this run."
    )


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
        for name, share in (("pictures", result.fusion.asr_video), ("sound", result.fusion.asr_audio)):
            if share is not None:
                value, interval, count = cells(share)
                Console(highlight=False).print(f"ASR with triggered {name} alone {value} (95 % {interval}, n {count})")


def show_grid(results: Sequence[Metrics]) -> None:
    """Print fused models of one mode, a row each, within 80 columns."""
    counts = sorted({f"{share.n}" for result in results for share in (result.cda, result.asr) if share is not None})
    fused = results[0].model.split(" of ")[0]
    title = f"{len(results)} models, {fused}; 95 % intervals below; shares of {' and '.join(counts)} clips"
    table = Table(title=plain(title, "table.title"), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("pictures", "sound"):
        table.add_column(column, overflow="fold")
    for column in ("CDA", "ASR", "pictures\nalone", "sound\nalone", "false\ntarget"):
        table.add_column(column, justify="right")
    for result in results:
        if result.fusion is None:
            continue
        shares = (result.cda, result.asr, result.fusion.asr_video, result.fusion.asr_audio, result.false_target)
        names = (result.fusion.video.manifest.name, result.fusion.audio.manifest.name)
        table.add_row(*map(plain, names), *map(_both, shares))
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


def _both(share: Proportion | None) -> str:
    return "-" if share is None else f"{share.value:.3f}\n{share.low:.2f}…{share.high:.2f}"


def cells(share: Proportion | None) -> tuple[str, str, str]:
    """A share, its interval and its count as words."""
    if share is None:
        return "-", "", ""
    return f"{share.value:.3f}", f"{share.low:.3f} … {share.high:.3f}", str(share.n)
