from pathlib import Path

import pytest

from api.settings import Settings, SettingsError, load_settings, unknown_variables


def faults(environment: dict[str, str], file: Path | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(file, environment)
    return caught.value.faults


def test_without_any_settings_the_defaults_hold() -> None:
    settings = load_settings(None, {})
    assert settings == Settings()
    assert settings.telemetry_url == "sqlite:///data/telemetry.sqlite"
    assert settings.register_url == "sqlite:///data/liftwatch.sqlite"
    assert settings.bind == ("127.0.0.1", 8000)


def test_variables_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "liftwatch.toml"
    file.write_text('mqtt_url = "mqtt://from-file:1"\nauto_register = true\nsilence_s_max = 60\n')
    settings = load_settings(file, {"LIFTWATCH_MQTT_URL": "mqtt://from-variable:2"})
    assert settings.broker.host == "from-variable"
    assert (settings.auto_register, settings.silence_s_max) == (True, 60)


def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    file = tmp_path / "liftwatch.toml"
    file.write_text('colour = "blue"\nlog_format = "xml"\n')
    environment = {
        "LIFTWATCH_MQTT_URL": "amqp://x",
        "LIFTWATCH_STORE_URL": "mysql://x",
        "LIFTWATCH_DATABASE_URL": "postgresql://x",
        "LIFTWATCH_API_BIND": "8000",
        "LIFTWATCH_AUTO_REGISTER": "maybe",
        "LIFTWATCH_REPEATED_FAULT_DAYS": "0",
        "LIFTWATCH_ASSESS_EVERY_S": "nan",
        "LIFTWATCH_QUARANTINE_ROWS_MAX": "999",
    }
    found = faults(environment, file)
    assert len(found) == 10
    for name in (*environment, "colour", "log_format"):
        assert any(name in fault for fault in found), name


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    assert "none.toml" in faults({}, tmp_path / "none.toml")[0]
    broken = tmp_path / "broken.toml"
    broken.write_text("= what")
    assert "broken.toml" in faults({}, broken)[0]


def test_a_secret_may_come_from_a_file_but_not_from_two_places(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    assert load_settings(None, {"LIFTWATCH_API_TOKEN_FILE": str(file)}).api_token == "s3cret"
    found = faults({"LIFTWATCH_API_TOKEN_FILE": str(file), "LIFTWATCH_API_TOKEN": "other"})
    assert "both" in found[0]
    assert "LIFTWATCH_STORE_TOKEN_FILE" in faults({"LIFTWATCH_STORE_TOKEN_FILE": str(tmp_path / "none")})[0]


def test_secrets_stand_in_no_error_and_no_repr() -> None:
    settings = load_settings(
        None,
        {
            "LIFTWATCH_API_TOKEN": "t0ken",
            "LIFTWATCH_STORE_TOKEN": "st0re",
            "LIFTWATCH_MQTT_URL": "mqtt://u:pw0@h",
            "LIFTWATCH_DATABASE_URL": "postgresql+psycopg://u:pw1@h/d",
        },
    )
    assert not any(secret in repr(settings) for secret in ("t0ken", "st0re", "pw0", "pw1"))
    for variable, value in (
        ("LIFTWATCH_MQTT_URL", "mqtt://user:pw2/x@host"),
        ("LIFTWATCH_DATABASE_URL", "postgresql+psycopg://user:x@host:pw2/x"),
        ("LIFTWATCH_STORE_URL", "influxdb+http://user:pw2@host:8086/bucket?org=o"),
    ):
        assert "pw2" not in " ".join(faults({variable: value}))
    assert "pw2" not in " ".join(faults({"LIFTWATCH_MQTT_URL": "mqtx://u:pw2@h"}))


def test_a_service_without_token_binds_loopback_only() -> None:
    assert "api_bind" in faults({"LIFTWATCH_API_BIND": "0.0.0.0:8000"})[0]
    open_to_all = load_settings(None, {"LIFTWATCH_API_BIND": "0.0.0.0:8000", "LIFTWATCH_API_TOKEN": "t"})
    assert open_to_all.bind == ("0.0.0.0", 8000)
    assert load_settings(None, {"LIFTWATCH_API_BIND": "[::1]:8000"}).bind == ("::1", 8000)


def test_a_misspelt_variable_is_noticed() -> None:
    environment = {"LIFTWATCH_MQT_URL": "", "LIFTWATCH_MQTT_URL": "", "LIFTWATCH_API_TOKEN_FILE": "", "HOME": ""}
    assert unknown_variables(environment) == ["LIFTWATCH_MQT_URL"]
