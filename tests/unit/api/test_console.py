import re
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from sqlalchemy.engine import Engine

from analytics.findings import Finding, FindingKind
from api.console.overview import COUNTED_MAX, ROWS_MAX
from api.console.pages import arrival_clock, clock_time, type_words
from ingest.clock import to_ms
from ingest.messages import Alarm, Fault, Kind, State
from ingest.quarantine import Quarantined, Settled
from ingest.wire import Reason
from tests.unit.api.parts import NOON, Client, SilentStore, World, world_on

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """A page taken apart: its text, what it loads, and whether its tags close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = dict(attrs)
        assert not [name for name in names if name == "style" or name.startswith("on")]
        self.loads += [names[name] or "" for name in ("src", "href") if name in names and tag != "a"]
        if tag not in VOID and not (self.get_starttag_text() or "").endswith("/>"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag if tag not in {"rect", "path", "circle"} else True

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page_of(client: Client, path: str = "/") -> Page:
    response = client.get(path)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return Page(response.text)


def test_an_empty_service_says_so_in_words(client: Client) -> None:
    text = page_of(client).text
    assert "No active alarms. No message yet, 0 of 0 lifts reporting." in text
    assert "2026-03-02 12:00:00 UTC" in text
    for words in ("No work to be done.", "No lift is registered.", "No findings.", "not assessed yet"):
        assert words in text


def test_a_quiet_fleet_says_when_it_was_heard(world: World) -> None:
    world.register("L1", "L2", "L3")
    world.stand("L1", at_s=-120)
    world.stand("L2", at_s=-60)
    assert "No active alarms. Last message 11:59, 2 of 3 lifts reporting." in page_of(world.client).text


def test_an_entrapment_is_told_with_its_order_and_its_clock(world: World) -> None:
    world.register("L1", site_id="S1", site_name="Harbour Plaza")
    world.trap()
    world.clock.advance(timedelta(minutes=10, seconds=20))
    html = world.client.get("/").text
    text = Page(html).text
    (order,) = world.service.journal.work_orders(limit=1)
    assert "1 entrapment, 1 active alarm." in text
    assert order.number in text
    assert "by 12:30, 19 min left" in text
    assert "Harbour Plaza" in text
    assert "<title>(1) Liftwatch</title>" in html
    assert 'class="mark p1"' in html
    assert ">1</text>" in html
    assert "at once" in text


def test_a_case_stands_on_the_page_until_a_person_has_closed_it(world: World) -> None:
    world.trap("L1")
    text = page_of(world.client).text
    assert "People in a car" in text
    assert "answer by 12:05: nobody has spoken to the car" in text
    assert "at or near floor 3, zone not told" in text
    assert "two are asked for" in text
    world.client.post("/api/v1/cases/1/stages", by="Olga", stage="dispatched", people=["Ines", "Juan"])
    assert "on site by 12:30" in page_of(world.client).text
    world.say("L1", Kind.FAULT, Fault(code="entrapment", phase="cleared"), at_s=60)
    text = page_of(world.client).text
    assert "No active alarms." in text
    assert "the lift said at 12:01: over; a person has still to say that everybody is out" in text
    world.client.post("/api/v1/cases/1/stages", by="Ines", stage="released")
    world.client.post("/api/v1/cases/1/stages", by="Olga", stage="closed")
    assert "People in a car" not in page_of(world.client).text


def test_an_order_that_is_late_says_by_how_much(world: World) -> None:
    world.trap()
    world.clock.advance(timedelta(minutes=33, seconds=30))
    html = world.client.get("/").text
    assert '<span class="late">by 12:30, 3 min late</span>' in html


def test_alerts_stand_by_priority_new_ones_first_then_the_newest(world: World) -> None:
    noted = world.trap("NOTED", at_s=9)
    world.client.post(f"/api/v1/alerts/{noted}/acknowledge", by="Li")
    for number in (1, 2):
        world.say(f"D{number}", Kind.FAULT, Fault(code="lift-shaft-device-fault", phase="raised"), at_s=number)
        world.trap(f"E{number}", at_s=number)
    alerts = page_of(world.client).text
    places = [alerts.index(lift_id) for lift_id in ("E2", "E1", "NOTED", "D2", "D1")]
    assert all(before < after for before, after in pairwise(places))


def test_an_alert_that_is_over_is_not_shown(world: World) -> None:
    world.trap("L7")
    world.say("L7", Kind.FAULT, Fault(code="entrapment", phase="cleared", seq=9), at_s=60)
    text = page_of(world.client).text
    assert "No active alarms." in text
    assert "rescue" in text  # the order stays until somebody has done it


def test_what_a_lift_or_a_person_says_is_escaped(world: World) -> None:
    nasty = '<script>alert("x")</script>'
    world.register("L1", site_id="S1", site_name=nasty)
    world.trap()
    world.client.post("/api/v1/work-orders/1/transitions", to="assigned", by="Li", assigned_to=nasty)
    finding = Finding(
        lift_id="L1",
        kind=FindingKind.REPEATED_FAULT,
        as_of=NOON,
        found_at=NOON,
        value=3,
        limit=3,
        reason=nasty,
        evidence=[],
    )
    world.service.findings.replace([finding], NOON)
    html = world.client.get("/").text
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 7


def test_what_a_site_is_called_is_escaped_on_every_page(world: World) -> None:
    nasty = "<img src=x onerror=alert(1)>'\"&"
    world.register("L1", "L2", site_id=nasty, site_name=nasty, contractor=nasty, team=nasty)
    for lift_id in ("L1", "L2"):
        world.say(lift_id, Kind.FAULT, Fault(code="power-supply-fault", phase="raised", text=nasty))
    (cut,) = world.service.journal.alerts(limit=9, kind="site-power-cut")
    assert cut.code == nasty
    world.clock.advance(timedelta(minutes=5))
    for path in ("/", "/kpis"):
        html = world.client.get(path).text
        assert "&lt;img" in html
        assert "<img" not in html


def test_lifts_without_contact_are_marked_in_words(world: World) -> None:
    world.register("HEARD", "BROKEN", "SILENT", "NEVER")
    for lift_id in ("HEARD", "BROKEN", "SILENT"):
        world.stand(lift_id)
    world.say("SILENT", Kind.STATE, State(connected=False), at_s=1)
    world.service.desk.watch(NOON + timedelta(hours=1), NOON)
    world.say("BROKEN", Kind.STATE, State(connected=False), at_s=2)
    text = page_of(world.client).text
    assert "1 of 4 lifts reporting" in text
    for words in ("BROKEN not told normal disconnected", "NEVER not told unknown never heard never"):
        assert words in text
    assert re.search(r"SILENT not told normal no contact", text)


def test_the_page_is_bounded_and_says_where_there_is_more(world: World) -> None:
    world.register(*(f"L{number:03}" for number in range(ROWS_MAX + 1)))
    for number in range(ROWS_MAX + 1):
        world.say(f"L{number:03}", Kind.ALARM, Alarm(type="button"), at_s=number)
    html = world.client.get("/").text
    assert html.count("<tr") < 4 * (ROWS_MAX + 2)
    for address in ("/api/v1/alerts?state=open", "/api/v1/lifts"):
        assert f'More at <a href="{address}">' in html
    assert f"{ROWS_MAX}+" in Page(html).text


def test_the_page_says_when_the_telemetry_store_is_away(sqlite_engine: Engine) -> None:
    world = world_on(sqlite_engine, SilentStore())
    world.register("L1")
    assert "The telemetry store does not answer." in page_of(world.client).text


def quarantine(world: World, topic: str, reason: Reason = Reason.UNKNOWN_LIFT, count: int = 1) -> None:
    lift_id = topic.split("/")[2]
    said_ms = to_ms(world.clock.now())
    items = [Quarantined(topic, lift_id, b"%d" % number, reason, "", said_ms) for number in range(count)]
    world.service.quarantine.add(items)


def test_what_waits_in_quarantine_is_counted_for_a_day(world: World) -> None:
    assert "In quarantine, last 24 h 0" in page_of(world.client).text
    quarantine(world, "lifts/v1/L1/door", Reason.NOT_JSON, 3)
    quarantine(world, "lifts/v1/L2/door", Reason.NOT_JSON)
    world.service.quarantine.settle([Settled(1)], NOON)
    world.clock.advance(timedelta(hours=24))
    html = world.client.get("/").text
    assert "In quarantine, last 24 h 3" in Page(html).text
    assert "nobody registered" not in html
    (address,) = re.findall(r'href="(/api/v1/quarantine[^"]*)"', html)
    assert len(world.client.get(unescape(address)).json()["items"]) == 3
    world.clock.advance(timedelta(seconds=1))
    assert "In quarantine, last 24 h 0" in page_of(world.client).text


def test_an_alarm_of_a_lift_that_nobody_registered_is_told_on_the_page(world: World) -> None:
    for kind in ("fault", "alarm", "door"):
        quarantine(world, f"lifts/v1/STRANGER/{kind}")
    html = world.client.get("/").text
    words = "Messages of lifts that nobody registered: 3 in the last 24 h, 2 of them alarms or faults."
    assert words in Page(html).text
    (_, address) = re.findall(r'href="(/api/v1/quarantine[^"]*)"', html)
    assert len(world.client.get(unescape(address)).json()["items"]) == 3


def test_a_great_quarantine_is_counted_so_far_only(world: World) -> None:
    quarantine(world, "lifts/v1/L1/door", Reason.NOT_JSON, COUNTED_MAX + 1)
    assert "In quarantine, last 24 h 1,000+" in page_of(world.client).text


@pytest.mark.parametrize("path", ["/", "/docs", "/kpis"])
def test_a_page_loads_nothing_but_our_own_static_files(world: World, path: str) -> None:
    world.trap()
    page = page_of(world.client, path)
    assert page.loads
    for address in page.loads:
        assert address.startswith("/static/")
        assert world.client.get(address).status_code == 200
    assert not {"script", "style", "iframe", "img"} & set(page.tags)


def test_static_files_name_no_other_host(client: Client) -> None:
    for path in ("/static/liftwatch.css", "/static/icon.svg"):
        text = client.get(path).text.replace("http://www.w3.org/2000/svg", "")
        assert "//" not in text
        assert "@import" not in text
        assert "url(" not in text


def test_the_docs_page_tells_every_route_parameter_and_schema(client: Client) -> None:
    document = client.get("/openapi.json").json()
    text = page_of(client, "/docs").text
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f"{method.upper()} {path}" in text
            assert all(parameter["name"] in text for parameter in operation.get("parameters", []))
    assert all(name in text for name in document["components"]["schemas"])


def relative_luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("words", ["text", "quiet"])
@pytest.mark.parametrize("ground", ["ground", "panel", "#d5d9dc", "#fbdcdf"])
def test_text_has_the_contrast_of_wcag_aa(client: Client, words: str, ground: str) -> None:
    css = client.get("/static/liftwatch.css").text
    colours = dict(re.findall(r"--(\w+): (#\w+);", css))
    if ground.startswith("#"):
        assert ground in css
    lighter, darker = relative_luminance(colours.get(ground, ground)), relative_luminance(colours[words])
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_clock_times_carry_the_day_where_it_is_another() -> None:
    assert clock_time(NOON, NOON) == "12:00"
    assert clock_time(NOON - timedelta(days=1), NOON) == "2026-03-01 12:00"
    assert clock_time(None, NOON) == "never"


def test_an_order_where_somebody_has_arrived_waits_for_nobody(world: World) -> None:
    world.trap()
    world.clock.advance(timedelta(minutes=31))
    world.client.post("/api/v1/work-orders/1/transitions", to="on-site", by="Li")
    order = world.service.journal.work_order(1)
    assert order is not None
    clock = arrival_clock(order, world.clock.now())
    assert (clock.words, clock.late) == ("arrived 12:31", False)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "#/components/schemas/AlertView"}, "AlertView"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text or null"),
        ({"type": "integer", "minimum": 1, "maximum": 500}, "integer 1 to 500"),
        ({"type": "array", "items": {"type": "string", "format": "date-time"}}, "list of date-time"),
        ({"type": "string", "enum": ["a", "b"]}, "a, b"),
        ({}, "anything"),
    ],
)
def test_a_schema_is_told_in_words(schema: dict[str, object], words: str) -> None:
    assert type_words(schema) == words
