import pytest

from ingest.telemetry_store_influx import InfluxTarget, InfluxTelemetryStore, parse_store_url


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("influxdb+http://db:8086/lifts?org=liftwatch", InfluxTarget("http://db:8086", "lifts", "liftwatch")),
        ("influxdb+https://db.example/a%20b?org=City+Lifts", InfluxTarget("https://db.example", "a b", "City Lifts")),
        ("influxdb+http://[::1]:8086/a%2Fautogen?org=x", InfluxTarget("http://[::1]:8086", "a/autogen", "x")),
    ],
)
def test_a_url_names_server_bucket_and_org(url: str, target: InfluxTarget) -> None:
    assert parse_store_url(url) == target


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://db:8086/lifts?org=o", "begins with influxdb"),
        ("influxdb+http:///lifts?org=o", "names a host"),
        ("influxdb+http://db:8086/?org=o", "path is the bucket"),
        ("influxdb+http://db:8086/lifts/more?org=o", "path is the bucket"),
        ("influxdb+http://db:8086/lifts", r"ends in \?org="),
        ("influxdb+http://db:8086/lifts?org=", r"ends in \?org="),
        ("influxdb+http://db:8086/lifts?org=o&precision=s", "nothing else"),
        ("influxdb+http://db:8086/lifts?org=o#part", "nothing else"),
        ("influxdb+http://db:many/lifts?org=o", "port is a number"),
        ("influxdb+http://db:70000/lifts?org=o", "port is a number"),
        ("influxdb+http://me:hush@db:8086/lifts?org=o", "no place in it"),
        ("influxdb+http://db:8086/lifts?org=o&token=hush", "no place in it"),
    ],
)
def test_another_url_is_an_error_that_says_what_is_missing_and_no_secret(url: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        InfluxTelemetryStore(url)

    assert "hush" not in str(caught.value)


def test_every_fault_of_a_url_is_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"influxdb\+http.*names a host.*path is the bucket.*org"):
        parse_store_url("")


@pytest.mark.parametrize("token", ["", "hush\n", "hush\r\nX-Other: 1", "hüsh"])
def test_a_token_that_no_header_can_carry_is_an_error_that_does_not_repeat_it(token: str) -> None:
    with pytest.raises(ValueError, match="token of the telemetry store") as caught:
        InfluxTelemetryStore("influxdb+http://db:8086/lifts?org=o", token)

    assert "sh" not in str(caught.value).replace("store holds", "")


def test_opening_a_store_connects_to_nothing_and_closing_it_twice_is_harmless() -> None:
    store = InfluxTelemetryStore("influxdb+http://no-such-host.invalid:8086/lifts?org=o", "hush")

    assert repr(store) == "InfluxTelemetryStore(http://no-such-host.invalid:8086, bucket=lifts)"
    store.close()
    store.close()
