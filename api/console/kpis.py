"""The page `/kpis`: how well an operator can live with the alerts, beside what the standards ask for."""

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from alerts.kpi_desk import Report
from alerts.kpis import Kpis
from api.service import Service

By = Literal["day", "shift"]
SPANS = {"1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}


class Mark(Struct, frozen=True):
    """One figure beside what is asked for; `is_met` None: nothing is asked, or there is nothing to measure."""

    name: str
    value: str
    aim: str
    is_met: bool | None


class KpiPage(Struct, frozen=True, kw_only=True):
    """What the page shows, as of `now`."""

    now: datetime
    span: str
    by: By
    report: Report
    marks: list[Mark]


def kpi_page(service: Service, span: str, by: By) -> KpiPage:
    """Return the page of the last `span` (one of `SPANS`).

    Raises:
        TooManyAlertsError: more alerts than are read at once.
    """
    now = service.clock.now()
    report = service.kpis.report(now - SPANS[span], now, by)
    return KpiPage(now=now, span=span, by=by, report=report, marks=marks_of(report.total))


def marks_of(total: Kpis) -> list[Mark]:
    """Return the figures that have an aim, and those that are told beside them."""
    high, medium = (total.priorities[priority] / total.alarm_count if total.alarm_count else 0.0 for priority in (1, 2))
    mix = f"{1 - high - medium:.0%} / {medium:.0%} / {high:.0%}" if total.alarm_count else "-"
    top = total.top_share
    return [
        Mark("Alerts for an operator in 10 min", f"{total.per_operator_10_min:.2f}", "at most 1", _at_most(total, 1.0)),
        Mark("Share of time in flood", f"{total.flood_share:.2%}", "below 1 %", total.flood_share < 0.01),  # noqa: PLR2004
        Mark("Most in 10 min", f"{total.maximum_alarm_rate:g}", "at most 10", total.maximum_alarm_rate <= 10),  # noqa: PLR2004
        Mark("Low / medium / high priority", mix, "80 / 15 / 5", None),
        Mark("Chattering sources", str(len(total.chattering)), "0", not total.chattering),
        Mark("Active for more than 24 h", str(total.stale), "0", total.stale == 0),
        Mark("Of these, priority 1 and 2", str(total.stale_urgent), "0", total.stale_urgent == 0),
        Mark("Share of the ten busiest sources", "-" if top is None else f"{top:.0%}", "", None),
        Mark("Time to acknowledge, median", span_words(total.acknowledge_median_s), "", None),
        Mark("Time to acknowledge, 95 of 100", span_words(total.acknowledge_p95_s), "", None),
        Mark("Not acknowledged", str(total.unacknowledged), "", None),
        Mark("Longest active", span_words(total.maximum_active_state_s), "", None),
        Mark("Longest without acknowledgement", span_words(total.maximum_unack_s), "", None),
        Mark("Most repeats of one alert", str(total.maximum_re_alarm_count), "", None),
    ]


def span_words(seconds: float | None) -> str:
    """Return a length of time in the unit that people would use."""
    if seconds is None:
        return "-"
    for unit_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit}" if seconds >= 10 * unit_s else f"{seconds / unit_s:.1f} {unit}"
    return f"{seconds:.0f} s"


def _at_most(total: Kpis, limit: float) -> bool:
    return total.per_operator_10_min <= limit
