import io
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.outage_history import days_of
from analytics.risk_frame import frame_of
from analytics.risk_model import HorizonModel, predict
from analytics.risk_store import FILE_BYTES_MAX, ModelRefusedError, RiskStore, packed, unpacked
from tests.unit.analytics.fleets_of_chance import START, history, in_bursts, model_of_bursts

DAY = days_of(START + timedelta(days=280))
KNOWN = history(in_bursts(2))


@pytest.fixture(scope="module")
def model() -> HorizonModel:
    return model_of_bursts()


def test_a_kept_model_says_the_same(model: HorizonModel, tmp_path: Path) -> None:
    store = RiskStore(tmp_path / "models")
    assert store.load(7.0, "abc") is None
    store.save(7.0, model, "abc")
    kept = store.load(7.0, "abc")
    assert kept is not None
    assert kept.held_out == model.held_out
    frame = frame_of(KNOWN, DAY)
    assert np.array_equal(predict(frame, 7.0, kept).probability, predict(frame, 7.0, model).probability)


def test_a_model_of_another_history_is_not_used(model: HorizonModel, tmp_path: Path) -> None:
    store = RiskStore(tmp_path)
    store.save(7.0, model, "abc")
    assert store.load(7.0, "abd") is None
    assert store.load(30.0, "abc") is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and so on", b"\x80\x04\x95 a pickle", b"x" * 1_000])
def test_what_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "risk-7-days.npz").write_bytes(content)
    with pytest.raises(ModelRefusedError, match="risk-7-days"):
        RiskStore(tmp_path).load(7.0, "abc")


def test_a_file_that_is_too_large_is_not_even_read(tmp_path: Path) -> None:
    with (tmp_path / "risk-7-days.npz").open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    with pytest.raises(ModelRefusedError, match="larger"):
        RiskStore(tmp_path).load(7.0, "abc")


def test_objects_that_would_run_code_are_refused() -> None:
    file = io.BytesIO()
    np.savez(file, description=np.array([{"run": "me"}], dtype=object), allow_pickle=True)
    with pytest.raises(ModelRefusedError):
        unpacked(file.getvalue())


def test_numbers_that_were_changed_are_refused(model: HorizonModel) -> None:
    with np.load(io.BytesIO(packed(model, "abc"))) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["boosted.left"] = arrays["boosted.left"] * 0 + 1
    changed = io.BytesIO()
    np.savez(changed, **arrays)
    with pytest.raises(ModelRefusedError, match="damaged"):
        unpacked(changed.getvalue())


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_says_the_same(model: HorizonModel, data: st.DataObject) -> None:
    content = bytearray(packed(model, "abc"))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    try:
        kept, made_of = unpacked(bytes(content))
    except ModelRefusedError:
        return
    assert made_of == "abc"
    assert np.array_equal(kept.logistic.weights, model.logistic.weights)


def test_a_file_of_another_version_says_so_whatever_else_it_lacks() -> None:
    file = io.BytesIO()
    np.savez(file, description=np.frombuffer(b'{"version": 4, "of": "another time"}', dtype=np.uint8))
    with pytest.raises(ModelRefusedError, match="version 4, this program reads"):
        unpacked(file.getvalue())
