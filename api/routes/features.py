"""Daily values of one lift: what drift is seen in, for a chart."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from analytics.daily_series import day_number, series_of
from analytics.feature_book import DAYS_KEPT
from analytics.series import DailySeries
from api.problems import documented, invalid
from api.routes.lifts import LiftPath, known_lift
from api.routes.paging import PageQuery, ServiceParameter, cut, decode_id
from api.schemas_features import FeaturePage, feature_views

router = APIRouter(prefix="/lifts/{lift_id}/features", tags=["lifts"])
WINDOW_DEFAULT = timedelta(days=90)
# Of all channels at once: a tall building has 500.
DAYS_OF_ALL_MAX = 100


class FeaturesQuery(PageQuery):
    """Which channels, landings and days."""

    channel: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description=f"All channels where it is left out, of {DAYS_OF_ALL_MAX} days at most."
    )
    floor: int | None = Field(
        default=None, ge=-20, le=300, description="One landing; all, and the whole lift, otherwise."
    )
    since: date | None = Field(default=None, description="The first day (UTC); 90 days before `until` otherwise.")
    until: date | None = Field(default=None, description="Before which day; today otherwise.")


@router.get("", responses=documented(404))
def list_features(
    service: ServiceParameter, lift_id: LiftPath, query: Annotated[FeaturesQuery, Query()]
) -> FeaturePage:
    """List daily values of a lift, one channel and landing after the other; days that are over, once computed."""
    known_lift(service, lift_id)
    first, days = _window(query, service.clock.now().date())
    values = service.features.values([lift_id], day_number(first), day_number(first) + days - 1)
    series = series_of(values, first, days)
    start = decode_id(query.cursor) or 0
    wanted = [
        at
        for at, key in enumerate(series.keys)
        if query.channel in (None, key.channel) and query.floor in (None, key.floor)
    ]
    rows, following = cut([at for at in wanted if at >= start][: query.limit + 1], query.limit, lambda at: at + 1)
    keys = [series.keys[at] for at in rows]
    page = DailySeries(keys, first, series.values[list(rows)], series.counts[list(rows)])
    return FeaturePage(items=feature_views(page), next=following)


def _window(query: FeaturesQuery, today: date) -> tuple[date, int]:
    """Return the first day and how many there are."""
    until = query.until or today
    since = query.since or until - WINDOW_DEFAULT
    days, most = (until - since).days, DAYS_OF_ALL_MAX if query.channel is None else DAYS_KEPT
    if days < 1:
        raise invalid(at="query.since", detail="not before until")
    if days > most:
        of_what = "all channels at once" if query.channel is None else "one channel"
        raise invalid(at="query.since", detail=f"more than {most} days of {of_what}")
    return since, days
