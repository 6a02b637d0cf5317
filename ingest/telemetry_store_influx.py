"""The telemetry store in InfluxDB 2.x, or 1.x behind its 2.x write path: a measurement for each kind, a tag `lift`.

Written as line protocol through `/api/v2/write`, read as InfluxQL through `/query`, which every version understands.
Nothing is tried again in here: a failure is an exception that says whether the same call may succeed later.
"""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from io import StringIO
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from msgspec import Struct, structs
from urllib3.exceptions import HTTPError

from ingest.clock import from_ms
from ingest.line_protocol import FORMS, lines_of
from ingest.messages import STORED_TYPE, SUB_MS_DIGITS, Kind, Message, State, readings_of
from ingest.telemetry_store import (
    PAGE_MAX,
    Aggregate,
    Frame,
    LatestState,
    Scalar,
    StoreRefusedError,
    StoreUnavailableError,
    key_bounds,
    numeric_reading,
    restored,
    window_width_ms,
)

LINES_PER_REQUEST = 5_000
# A write that is not answered soon waits in the spool; a question may have years to look through.
CONNECT_MS_MAX, WRITTEN_MS_MAX, ANSWER_MS_MAX = 5_000, 15_000, 60_000
ERROR_CHARS_MAX = 500
_SCHEMES = {"influxdb+http": "http", "influxdb+https": "https"}
_LIFTS_IN_QUERY = 200
# The answer to this closes every answer: CSV has no place for an error, so a query that failed half way, or at once,
# looks like one that found less. No statement after a failed one is run, and this one always has a header.
_CLOSING = "SHOW DATABASES"
_CLOSING_HEADER = ["name", "tags", "name"]

_FIELDS = {kind: ", ".join(f'"{name}"' for name in ("received_ms", "late", "dated", *FORMS[kind])) for kind in Kind}
_ALWAYS: dict[Kind, tuple[str, ...]] = {
    kind: ("received_ms", "late", *(field.name for field in structs.fields(form) if field.required))
    for kind, form in STORED_TYPE.items()
}
_LAST_VALUES = ", ".join(f'LAST("{name}") AS "{name}"' for name in readings_of(Kind.STATE))


class InfluxTarget(Struct, frozen=True):
    """Where a bucket is."""

    server_url: str
    bucket: str
    org: str


def parse_store_url(url: str) -> InfluxTarget:
    """Return what `influxdb+http(s)://host:port/<bucket>?org=<org>` names.

    Raises:
        ValueError: it has another form; the text does not repeat the URL, which may hold a secret.
    """
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    bucket = unquote(parts.path.removeprefix("/"))
    faults = {
        "it begins with influxdb+http:// or influxdb+https://": parts.scheme not in _SCHEMES,
        "it names a host": not parts.hostname,
        "its port is a number": not _has_port_or_none(parts),
        "a token or password has no place in it": "@" in parts.netloc or "token" in query,
        "its path is the bucket, /<bucket>": not bucket or "/" in parts.path.removeprefix("/"),
        "it ends in ?org=<org> and nothing else (for InfluxDB 1.x any name)": (
            set(query) != {"org"} or not query["org"][0] or bool(parts.fragment)
        ),
    }
    broken = [rule for rule, is_broken in faults.items() if is_broken]
    if broken:
        message = f"not a URL of an InfluxDB bucket: {'; '.join(broken)}"
        raise ValueError(message)
    return InfluxTarget(f"{_SCHEMES[parts.scheme]}://{parts.netloc}", bucket, query["org"][0])


def _has_port_or_none(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


class InfluxTelemetryStore:
    """The port in InfluxDB. Safe to share between threads."""

    def __init__(self, url: str, token: str | None = None, *, page_rows: int = PAGE_MAX) -> None:
        """Use the bucket at `url` with `token` (InfluxDB 1.x: `user:password`); connects when it is first used.

        `page_rows` bounds how many rows of fault history one request asks for.

        Raises:
            ValueError: the URL has another form, or the token cannot be a token.
        """
        self._target = parse_store_url(url)
        if token is not None and not (token and token.isascii() and token.isprintable()):
            message = "the token of the telemetry store holds characters that no token has (a line end?), or none"
            raise ValueError(message)
        self._page_rows = page_rows
        # Any: the client declares `token: str` where it takes None, and leaves half of itself untyped.
        build: Any = InfluxDBClient
        self._client = build(
            url=self._target.server_url,
            token=token,
            org=self._target.org,
            timeout=(CONNECT_MS_MAX, WRITTEN_MS_MAX),
            retries=False,  # False, not 0: urllib3 neither tries again nor follows a redirect with our token
        )
        self._write_api = self._client.write_api(write_options=SYNCHRONOUS)

    def write(self, messages: Sequence[Message]) -> None:
        """See `TelemetryStore.write`."""
        lines = lines_of(messages)
        for start in range(0, len(lines), LINES_PER_REQUEST):
            with self._told_apart():
                self._write_api.write(
                    bucket=self._target.bucket,
                    record="\n".join(lines[start : start + LINES_PER_REQUEST]).encode(),
                    write_precision="ns",
                )

    def latest_states(self, lift_ids: Sequence[str] | None = None) -> dict[str, LatestState]:
        """See `TelemetryStore.latest_states`."""
        if lift_ids is None:
            return self._latest_states("")
        states: dict[str, LatestState] = {}
        for start in range(0, len(lift_ids), _LIFTS_IN_QUERY):
            some = lift_ids[start : start + _LIFTS_IN_QUERY]
            states |= self._latest_states(" WHERE " + " OR ".join(f'"lift" = {_literal(item)}' for item in some))
        return states

    def messages(
        self,
        lift_id: str,
        kind: Kind,
        since: datetime,
        until: datetime,
        *,
        limit: int = PAGE_MAX,
        after_ns: int | None = None,
    ) -> list[Message]:
        """See `TelemetryStore.messages`."""
        start, end = key_bounds(since, until)
        if after_ns is not None:
            start = max(start, after_ns + 1)
        rows = self._query(_select(_FIELDS[kind], kind, start, end, lift_id) + f" ORDER BY time ASC LIMIT {limit}")
        return [_message_of(lift_id, kind, row) for row in rows if _is_whole(kind, row)]

    def aggregates(
        self, lift_id: str, kind: Kind, reading: str, since: datetime, until: datetime, every: timedelta
    ) -> list[Aggregate]:
        """See `TelemetryStore.aggregates`."""
        name = numeric_reading(kind, reading)
        width_ms = window_width_ms(every)
        functions = ", ".join(f'{function}("{name}") AS "{function}"' for function in ("COUNT", "MEAN", "MIN", "MAX"))
        select = _select(functions, kind, *key_bounds(since, until), lift_id)
        rows = self._query(f"{select} GROUP BY time({width_ms}ms) fill(none)")
        return [
            Aggregate(
                from_ms(int(row["time"]) // SUB_MS_DIGITS),
                int(row["COUNT"]),
                float(row["MEAN"]),
                float(row["MIN"]),
                float(row["MAX"]),
            )
            for row in rows
        ]

    def faults(self, since: datetime, until: datetime, lift_id: str | None = None) -> list[Message]:
        """See `TelemetryStore.faults`.

        Read in pages by time. A page begins with the instant that ended the one before, since other lifts may have
        faults of that very instant; those known already are asked for on top, so that each page goes on.
        """
        start, end = key_bounds(since, until)
        found: dict[tuple[str, int], Message] = {}
        known = 0
        while True:
            limit = self._page_rows + known
            select = _select(f'{_FIELDS[Kind.FAULT]}, "lift"', Kind.FAULT, start, end, lift_id)
            rows = self._query(f"{select} ORDER BY time ASC LIMIT {limit}")
            whole = [row for row in rows if _is_whole(Kind.FAULT, row)]
            found |= {(row["lift"], int(row["time"])): _message_of(row["lift"], Kind.FAULT, row) for row in whole}
            if len(rows) < limit:
                return [message for _, message in sorted(found.items(), key=lambda pair: pair[0])]
            start = int(rows[-1]["time"])
            known = sum(key_ns == start for _, key_ns in found)

    def fault_count(self, since: datetime, until: datetime) -> int:
        """See `TelemetryStore.fault_count`."""
        rows = self._query(_select('COUNT("code") AS "count"', Kind.FAULT, *key_bounds(since, until), None))
        return int(rows[0]["count"]) if rows else 0

    def last_counters(self, since: datetime, until: datetime, lift_id: str | None = None) -> dict[str, Message]:
        """See `TelemetryStore.last_counters`."""
        select = _select(_FIELDS[Kind.COUNTERS], Kind.COUNTERS, *key_bounds(since, until), lift_id)
        rows = self._query(f'{select} GROUP BY "lift" ORDER BY time DESC LIMIT 1')
        whole = {row["tags"].removeprefix("lift="): row for row in rows if _is_whole(Kind.COUNTERS, row)}
        return {found: _message_of(found, Kind.COUNTERS, row) for found, row in whole.items()}

    def last_trip_at(self, lift_id: str, since: datetime, until: datetime) -> datetime | None:
        """See `TelemetryStore.last_trip_at`."""
        select = _select('"received_ms"', Kind.TRIP, *key_bounds(since, until), lift_id)
        rows = self._query(f"{select} ORDER BY time DESC LIMIT 1")
        return from_ms(int(rows[0]["time"]) // SUB_MS_DIGITS) if rows else None

    def ping(self) -> None:
        """See `TelemetryStore.ping`. The bucket must be there, and the token must be good for reading it."""
        if not any(row[0] == "databases" and row[-1] == self._target.bucket for row in self._table(_CLOSING)):
            message = f"{self._target.server_url} shows no bucket {self._target.bucket}: make it, or check the token"
            raise StoreUnavailableError(message)

    def close(self) -> None:
        """See `TelemetryStore.close`."""
        self._write_api.close()
        if self._client.api_client is not None:
            self._client.close()

    def __repr__(self) -> str:
        """Name the bucket, never the token."""
        return f"InfluxTelemetryStore({self._target.server_url}, bucket={self._target.bucket})"

    def _latest_states(self, where: str) -> dict[str, LatestState]:
        # LAST of several fields gives each its own newest value, but 1970 as time: the time is asked for apart.
        rows = self._query(
            f'SELECT {_LAST_VALUES} FROM "state"{where} GROUP BY "lift";'  # noqa: S608 - names of the contract, literals escaped
            f' SELECT LAST("received_ms") AS "received_ms" FROM "state"{where} GROUP BY "lift"'
        )
        newest_ns = {row["tags"]: int(row["time"]) for row in rows if "received_ms" in row}
        known = {row["tags"]: _known(Kind.STATE, row) for row in rows if "received_ms" not in row}
        return {
            tags.removeprefix("lift="): LatestState(
                from_ms(key_ns // SUB_MS_DIGITS),
                State(**known.get(tags, {})),  # type: ignore[arg-type]
            )
            for tags, key_ns in newest_ns.items()
        }

    def _query(self, statements: str) -> list[dict[str, str]]:
        """Return the rows of an answer that is known to be whole, each with the names of its columns."""
        header: list[str] = []
        rows: list[dict[str, str]] = []
        for row in self._table(f"{statements}; {_CLOSING}"):
            if row == _CLOSING_HEADER:
                return rows
            if row[:2] == ["name", "tags"]:
                header = row
            elif len(row) == len(header):
                rows.append(dict(zip(header, row, strict=True)))
            else:
                break  # no answer of InfluxDB: a proxy's page, or another server that only takes what is written
        message = (
            f"{self._target.server_url} gave no whole answer: is there a bucket {self._target.bucket},"
            " may the token read it, did the query take too long?"
        )
        raise StoreUnavailableError(message)

    def _table(self, statements: str) -> Iterator[list[str]]:
        with self._told_apart():
            answer = self._client.api_client.call_api(
                "/query",
                "POST",
                # In chunks, because a plain answer is cut, without a word, at the server's `max-row-limit`.
                query_params={"db": self._target.bucket, "epoch": "ns", "chunked": "true", "chunk_size": PAGE_MAX},
                header_params={"Accept": "application/csv", "Content-Type": "application/x-www-form-urlencoded"},
                post_params=[("q", statements)],
                _preload_content=False,
                _request_timeout=(CONNECT_MS_MAX, ANSWER_MS_MAX),
                _return_http_data_only=True,
            )
            text = answer.data.decode(errors="replace")
        return (row for row in csv.reader(StringIO(text, newline="")) if row)

    @contextmanager
    def _told_apart(self) -> Iterator[None]:
        """Turn what influxdb-client raises into the port's two errors."""
        try:
            yield
        except ApiException as error:
            raise self._failure(error) from error
        except (HTTPError, OSError) as error:
            message = f"{self._target.server_url}: {type(error).__name__}: {error}"
            raise StoreUnavailableError(message) from error
        except UnicodeEncodeError as error:
            message = f"text that has no UTF-8: {error}"
            raise StoreRefusedError(message) from error

    def _failure(self, error: ApiException) -> StoreUnavailableError | StoreRefusedError:
        said = error.body.decode(errors="replace") if isinstance(error.body, bytes) else str(error.body or error.reason)
        text = f"{self._target.server_url} answered {error.status}: {said[:ERROR_CHARS_MAX].strip()}"
        match error.status:
            case 401 | 403:
                advice = "check that the token is right and may write to and read the bucket"
                return StoreUnavailableError(f"{text} ({advice} {self._target.bucket})")
            case 404:
                advice = f"check the address, and that there are an org {self._target.org} and a bucket"
                return StoreUnavailableError(f"{text} ({advice} {self._target.bucket})")
            case int(status) if 400 <= status < 500 and status not in (408, 429):  # noqa: PLR2004 - RFC 9110
                return StoreRefusedError(text)
        return StoreUnavailableError(text)


def _literal(text: str) -> str:
    """Return text as an InfluxQL string."""
    text = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{text}'"


def _select(what: str, kind: Kind, start_ns: int, end_ns: int, lift_id: str | None) -> str:
    lift = "" if lift_id is None else f' AND "lift" = {_literal(lift_id)}'
    return f'SELECT {what} FROM "{kind.value}" WHERE time >= {start_ns} AND time < {end_ns}{lift}'  # noqa: S608 - as above


def _is_whole(kind: Kind, row: dict[str, str]) -> bool:
    """Tell whether a row has what every message has: InfluxDB shows a point field by field while it is written."""
    return all(row.get(name) for name in _ALWAYS[kind])


def _message_of(lift_id: str, kind: Kind, row: dict[str, str]) -> Message:
    frame = Frame(
        lift_id=lift_id,
        kind=kind,
        key_ns=int(row["time"]),
        received_ms=int(row["received_ms"]),
        late=row["late"] == "true",
        dated=row["dated"] != "false",
    )
    return restored(frame, _known(kind, row))


def _known(kind: Kind, row: dict[str, str]) -> dict[str, Scalar]:
    """Return the values that a row has: an empty cell is a value that the message did not have."""
    return {name: _value(form, cell) for name, form in FORMS[kind].items() if (cell := row.get(name))}


def _value(form: type[Scalar], cell: str) -> Scalar:
    if form is bool:
        return cell == "true"
    if form is str:
        return cell.removeprefix("\0")
    return form(cell)
