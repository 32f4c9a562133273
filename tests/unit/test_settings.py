"""Settings: the order of their sources, and one line for each mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from infra.settings import Given, Settings, load_settings, read_given
from tasks.errors import SettingsError

STACK = {
    "database_url": "postgresql+psycopg2://postgres:stackpw@127.0.0.1:5555/labelrounds",
    "s3_endpoint_url": "http://127.0.0.1:8333",
    "s3_access_key_id": "stack-key",
    "s3_secret_access_key": "stack-secret",
    "mlflow_tracking_uri": "http://127.0.0.1:5000",
    "prefect_api_url": "http://127.0.0.1:4200/api",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "stack.json").write_text(json.dumps({"settings": STACK}))
    return tmp_path


def one_line(error: pytest.ExceptionInfo[SettingsError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_everything_comes_from_the_running_stack(home: Path) -> None:
    settings = load_settings(home=home)
    assert {name: getattr(settings, name) for name in STACK} == STACK
    assert settings.environment()["MLFLOW_TRACKING_URI"] == STACK["mlflow_tracking_uri"]


def test_the_environment_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELROUNDS_HOME", str(home))
    monkeypatch.setenv("LABELROUNDS_DATABASE_URL", "postgres://me:pw@db.example/x")
    settings = load_settings()
    assert settings.database_url == "postgresql+psycopg2://me:pw@db.example/x"
    assert settings.prefect_api_url == STACK["prefect_api_url"]


def test_a_dotenv_file_is_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".env").write_text("LABELROUNDS_ARTIFACT_BUCKET=from-a-file\nPREFECT_HOME=other\n")
    monkeypatch.chdir(home)
    monkeypatch.setitem(Given.model_config, "env_file", ".env")
    assert read_given().artifact_bucket == "from-a-file"


def test_what_is_missing_is_named_with_the_places_looked_at(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(home=tmp_path, mlflow_tracking_uri="http://m", prefect_api_url="http://p/api")
    text = one_line(error)
    assert "LABELROUNDS_DATABASE_URL, LABELROUNDS_S3_ENDPOINT_URL;" in text
    assert str(Path(".env").absolute()) in text
    assert str(tmp_path / "stack.json") in text
    assert "labelrounds up" in text


def test_the_keys_of_the_stack_are_never_sent_to_another_store(home: Path) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(home=home, s3_endpoint_url="https://s3.example")
    assert "LABELROUNDS_S3_ACCESS_KEY_ID, LABELROUNDS_S3_SECRET_ACCESS_KEY;" in one_line(error)


def test_amazon_needs_no_keys(home: Path) -> None:
    settings = load_settings(home=home, s3_endpoint_url="aws", s3_region="eu-central-1")
    assert settings.s3_endpoint is None
    assert settings.s3_access_key_id is None


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("database_url", "mysql://me:hidden@h/x", "postgresql://"),
        ("database_url", "postgresql+asyncpg://me:hidden@h/x", "postgresql+psycopg2://"),
        ("database_url", "postgresql://me:hidden@h:port/x", "port"),
        ("database_url", "hidden", "postgresql://"),
        ("s3_endpoint_url", "ftp://hidden", "http"),
        ("prefect_api_url", "hidden", "http"),
        ("artifact_bucket", "No_Bucket hidden", "bucket"),
    ],
)
def test_a_bad_value_is_one_line_that_does_not_repeat_it(
    name: str, value: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"LABELROUNDS_{name.upper()}", value)
    with pytest.raises(SettingsError) as error:
        read_given()
    text = one_line(error)
    assert text.startswith(f"LABELROUNDS_{name.upper()}: ")
    assert reason in text
    assert "hidden" not in text


def test_a_damaged_state_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("[]")
    with pytest.raises(SettingsError) as error:
        load_settings(home=tmp_path)
    assert str(tmp_path / "stack.json") in one_line(error)


def test_secrets_are_not_shown(home: Path) -> None:
    shown = repr(load_settings(home=home))
    assert "stackpw" not in shown
    assert "stack-secret" not in shown
    assert "8333" in shown


def test_settings_are_frozen(home: Path) -> None:
    settings: Settings = load_settings(home=home)
    with pytest.raises(ValueError, match="frozen"):
        settings.artifact_bucket = "other"


def test_reading_settings_loads_nothing_heavy() -> None:
    heavy = ["boto3", "prefect", "mlflow", "sqlalchemy", "pandas"]
    code = f"import sys, infra.settings; print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
