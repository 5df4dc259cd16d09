"""Results as small tables for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from trainer.compare import Comparison
from trainer.metrics import Figures, Share
from trainer.runs import Metrics

NAMES = {
    "cda": "CDA",
    "asr": "ASR",
    "asr_all": "ASR (all)",
    "ra": "RA",
    "false_target": "false target",
    "sham_asr": "sham ASR",
}
"""The figures in the order in which they are shown; the last two are the floors under ASR."""


def show_figures(figures: Figures, title: str) -> None:
    """Print a run's figures with counts and intervals."""
    table = _table(title, "share")
    for field, name in NAMES.items():
        table.add_row(name, *_cells(getattr(figures, field)))
    Console(highlight=False).print(table)


def show_run(result: Metrics) -> None:
    """Print the figures of one run."""
    show_figures(
        result,
        f"{result.manifest.name}: {result.model} {result.preset}, views {result.views}, seed {result.seed}",
    )


def show_comparison(result: Comparison) -> None:
    """Print an attack beside its baseline and the paired difference."""
    table = Table(title=f"{', '.join(result.runs)} against {', '.join(result.baselines)}", title_justify="left")
    table.add_column("")
    for heading in ("attack", "95 %", "n", "baseline", "95 %", "n"):
        table.add_column(heading, justify="right")
    for field, name in NAMES.items():
        attack, baseline = _cells(getattr(result.attack, field)), _cells(getattr(result.baseline, field))
        table.add_row(name, *attack, *baseline)
    console = Console(highlight=False)
    console.print(table)
    d = result.cda_difference
    console.print(f"CDA difference {d.value:+.3f} (95 % {d.low:+.3f} … {d.high:+.3f}, paired on {d.n} clips)")


def _table(title: str, heading: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in (heading, "95 %", "n"):
        table.add_column(column, justify="right")
    return table


def _cells(share: Share | None) -> tuple[str, str, str]:
    if share is None:
        return "-", "", ""
    return f"{share.value:.3f}", f"{share.low:.3f} … {share.high:.3f}", str(share.n)
