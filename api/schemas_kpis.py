"""What the API says of the alert load."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from alerts.kpi_desk import Report
from alerts.kpis import Kpis


class SourceCountView(BaseModel):
    """How often one source (lift, kind and code) alarmed, and its share of all."""

    lift_id: str
    kind: str
    code: str | None
    count: int
    share: float


class PriorityMix(BaseModel):
    """Alerts by priority, and shares: high is priority 1, medium 2, low 3 and 4. Aim: 0.05, 0.15, 0.80."""

    priority_1: int
    priority_2: int
    priority_3: int
    priority_4: int
    high_share: float | None
    medium_share: float | None
    low_share: float | None


class KpisView(BaseModel):
    """The figures of one period, in the names of OPC UA's AlarmMetrics and of ISA-18.2; rates are for ten minutes."""

    name: str
    since: datetime
    until: datetime
    operators: int
    alarm_count: int = Field(description="AlarmCount")
    maximum_active_state_s: float = Field(description="MaximumActiveState")
    maximum_unack_s: float = Field(description="MaximumUnAck")
    current_alarm_rate: float = Field(description="CurrentAlarmRate: in the last ten minutes of the period")
    maximum_alarm_rate: float = Field(description="MaximumAlarmRate")
    average_alarm_rate: float = Field(description="AverageAlarmRate")
    maximum_re_alarm_count: int = Field(description="MaximumReAlarmCount")
    per_operator_10_min: float = Field(description="Alerts for each operator in ten minutes; about 1 can be handled.")
    flood_share: float = Field(description="Share of time with more than ten for each operator in ten minutes; < 0.01.")
    priority_mix: PriorityMix
    chattering: list[SourceCountView] = Field(description="Sources with three changes in a minute; aim: none.")
    stale: int = Field(description="Active for more than 24 h at the end of the period; aim: none.")
    stale_urgent: int = Field(description="Of these, priority 1 and 2.")
    top_sources: list[SourceCountView] = Field(description="The ten sources with the most alerts.")
    top_share: float | None
    acknowledge_median_s: float | None
    acknowledge_p95_s: float | None
    unacknowledged: int


class KpiReport(BaseModel):
    """The figures of a window, and of each day or shift of it."""

    by: Literal["day", "shift"] | None
    total: KpisView
    periods: list[KpisView]


def kpi_report(report: Report, by: Literal["day", "shift"] | None) -> KpiReport:
    """Return a report."""
    return KpiReport(by=by, total=kpis_view(report.total), periods=[kpis_view(each) for each in report.periods])


def kpis_view(kpis: Kpis) -> KpisView:
    """Return the figures of one period."""
    values = {name: getattr(kpis, name) for name in kpis.__struct_fields__ if name not in _LISTS}
    lists = {name: [_source(each) for each in getattr(kpis, name)] for name in ("chattering", "top_sources")}
    return KpisView.model_validate({**values, **lists, "priority_mix": _mix(kpis)})


_LISTS = {"chattering", "top_sources", "priorities"}


def _source(each: object) -> SourceCountView:
    return SourceCountView.model_validate(each, from_attributes=True)


def _mix(kpis: Kpis) -> PriorityMix:
    counts, total = kpis.priorities, kpis.alarm_count
    high, medium = counts[1], counts[2]
    return PriorityMix(
        priority_1=high,
        priority_2=medium,
        priority_3=counts[3],
        priority_4=counts[4],
        high_share=high / total if total else None,
        medium_share=medium / total if total else None,
        low_share=(total - high - medium) / total if total else None,
    )
