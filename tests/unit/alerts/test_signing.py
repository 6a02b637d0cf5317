"""Signatures are those of the Standard Webhooks specification."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.signing import headers, key_of, new_secret, signature

# The published reference vector of the specification's own libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
SENT_S = 1_614_265_330
CONTENT = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_vector_is_signed_as_published() -> None:
    assert signature(SECRET, MESSAGE_ID, SENT_S, CONTENT) == SIGNATURE


def test_the_headers_name_every_signature() -> None:
    other = new_secret()
    made = headers([other, SECRET], MESSAGE_ID, SENT_S, CONTENT)
    assert made["webhook-id"] == MESSAGE_ID
    assert made["webhook-timestamp"] == "1614265330"
    assert made["webhook-signature"] == f"{signature(other, MESSAGE_ID, SENT_S, CONTENT)} {SIGNATURE}"


def test_secrets_are_random_and_long_enough() -> None:
    made = {new_secret() for _ in range(50)}
    assert len(made) == 50
    assert {len(key_of(secret)) for secret in made} == {32}


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!", "whsec_c2hvcnQ=", SECRET.removeprefix("whsec_")])
def test_what_is_no_secret_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(ValueError, match="expected whsec_") as refused:
        key_of(secret)
    assert refused.value.__cause__ is None


@given(key=st.binary(min_size=24, max_size=64), content=st.binary(max_size=200), sent_s=st.integers(0, 2**33))
def test_any_change_of_content_or_instant_changes_the_signature(key: bytes, content: bytes, sent_s: int) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    signed = signature(secret, MESSAGE_ID, sent_s, content)
    assert signature(secret, MESSAGE_ID, sent_s, content + b" ") != signed
    assert signature(secret, MESSAGE_ID, sent_s + 1, content) != signed
