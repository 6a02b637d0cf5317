"""Tables as they stand in docs/performance.md, and what machine a figure is of."""

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, its first column to the left and its figures to the right."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join([first, *others])} |"

    marks = [("-" * (width + 1)) + (":" if place else "-") for place, width in enumerate(widths)]
    return "\n".join([line(head), f"|{'|'.join(marks)}|", *(line(row) for row in rows)])


def machine() -> str:
    """Say in one line on what a benchmark ran."""
    model = next(
        (line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), platform.machine()
    )
    kernel = platform.release().split("-")[0]
    return f"{os.cpu_count()} x {model}, Linux {kernel}, Python {platform.python_version()}"


def show(text: str = "") -> None:
    """Print at once, also into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _cpuinfo() -> list[str]:
    return Path("/proc/cpuinfo").read_text().splitlines()
