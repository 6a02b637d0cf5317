"""What machines ask about the service itself: whether it lives, whether it works, what it has counted."""

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel

from api.problems import ProblemError, ProblemName, documented
from api.routes.paging import ServiceParameter
from api.service import Metrics

router = APIRouter(tags=["service"])
_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Text format of Prometheus."}
}


class Health(BaseModel):
    """The process answers."""

    status: str


class Readiness(BaseModel):
    """Every part works."""

    status: str
    parts: dict[str, str]


@router.get("/healthz", responses=documented())
def check_health() -> Health:
    """Tell that the process is alive. It asks no other part."""
    return Health(status="alive")


@router.get("/readyz", responses=documented(503))
def check_readiness(service: ServiceParameter) -> Readiness:
    """Tell whether every part works; the answer names those that do not."""
    parts = {name: "ok" if state is True else state or "not ok" for name, state in service.readiness().items()}
    faulty = sorted(name for name, state in parts.items() if state != "ok")
    if faulty:
        raise ProblemError(ProblemName.NOT_READY, f"Not working: {', '.join(faulty)}.", parts=parts)
    return Readiness(status="ready", parts=parts)


@router.get("/metrics", response_class=Response, responses={**documented(), **_TEXT})
def read_metrics(service: ServiceParameter) -> Response:
    """Return what this process has counted, and how it stands, in the text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Measures(service.counters, service.gauges))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Measures(Collector):
    """The service's own counters as `liftwatch_<name>_total`, its gauges as `liftwatch_<name>`."""

    def __init__(self, counters: Metrics, gauges: Metrics) -> None:
        self._counters = counters
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        for name, value in sorted(self._counters().items()):
            words = name.replace("_", " ")
            yield CounterMetricFamily(f"liftwatch_{name}", f"{words} since the process began", value=value)
        for name, value in sorted(self._gauges().items()):
            yield GaugeMetricFamily(f"liftwatch_{name}", f"{name.replace('_', ' ')} now", value=value)
