"""Webhooks reach the open Internet, and nothing behind our own wall."""

import pytest

from alerts.addresses import is_public, parse_webhook_url


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b:1::a00:1",
        "::ffff:169.254.169.254",
        "fd00:ec2::254",
        "fec0::1",
        "3fff::1",
        "5f00::1",
        "ff0e::1",
        "192.0.0.8",
        "192.88.99.1",
        "198.18.0.1",
    ],
)
def test_addresses_behind_a_wall_are_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8"])
def test_addresses_of_the_open_internet_are_reached(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://cmms.example/hooks",
        "ftp://cmms.example/",
        "https://",
        "https:///hooks",
        "https://user:password@cmms.example/",
        "https://cmms.example/#part",
        "https://cmms.example:99999/",
        "https://cmms.example/a b",
        "https://cmms.example/\r\nHost: other",
        "https://münchen.example/",
        "https://cmms.example\\@10.0.0.1/",
        "https://cmms.example@10.0.0.1/",
        "file:///etc/passwd",
        "gopher://cmms.example/",
        "https://cmms.example:0/",
        "//cmms.example/",
        "https://cmms.example/%0d%0a\nX: y",
        "https://[::1/",
        "https://cmms.example/" + "a" * 2_000,
        "",
    ],
)
def test_what_is_no_url_of_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected https://"):
        parse_webhook_url(url, allows_private=False)


def test_plain_http_is_for_private_networks() -> None:
    assert parse_webhook_url("http://10.0.0.5:8080/hooks", allows_private=True).port == 8080
    assert parse_webhook_url("https://cmms.example/hooks?a=b", allows_private=False).hostname == "cmms.example"
