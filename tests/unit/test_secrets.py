"""What a wrong variable says is its name and what is wrong with it: its value, perhaps a password, is in no output."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import pytest
from click.testing import CliRunner
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from advolink.__main__ import main
from aggregator.settings import AggregatorSettings
from database.refused_settings import told
from event_log.settings import EventLogSettings, KafkaSettings
from local.settings import LocalSettings
from redirector.settings import RedirectorSettings
from stage.generated import SETTINGS

SECRET: Final = "hunter2"  # noqa: S105 - nobody's
SASL: Final = {"ADVOLINK_KAFKA_SECURITY": "SASL_SSL", "ADVOLINK_KAFKA_SASL_PASSWORD": SECRET}
DSN: Final = {"ADVOLINK_POSTGRES_DSN": f"postgresql://ada:{SECRET}@127.0.0.1:1/x"}


def _every() -> Iterator[type[BaseSettings]]:
    """Every class of settings that the services have."""
    found = list(BaseSettings.__subclasses__())
    while found:
        one = found.pop()
        found += one.__subclasses__()
        if not one.__module__.startswith("pydantic"):
            yield one


@pytest.mark.parametrize("settings", sorted(set(_every()), key=str), ids=lambda one: one.__name__)
def test_no_settings_put_values_into_their_errors(settings: type[BaseSettings]) -> None:
    """Also those that take the settings of another class in."""
    assert settings.model_config.get("hide_input_in_errors") is True


def test_every_class_of_settings_is_looked_at() -> None:
    assert {one for some in SETTINGS.values() for one in some} <= set(_every())


@pytest.mark.parametrize("settings", [KafkaSettings, EventLogSettings, LocalSettings, AggregatorSettings])
def test_an_error_of_several_variables_hides_them_all(
    settings: type[BaseSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such an error would print the settings as a whole."""
    for name, value in (SASL | DSN).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as refused:
        settings()
    assert SECRET not in str(refused.value)
    assert told(refused.value, settings) == (
        "The variables cannot be used: SASL_SSL needs ADVOLINK_KAFKA_SASL_USERNAME and ADVOLINK_KAFKA_SASL_PASSWORD."
    )


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ({"public_url": SECRET}, "The variable ADVOLINK_REDIRECTOR_PUBLIC_URL cannot be used: must be like "),
        ({"private_hosts": SECRET}, "The variable ADVOLINK_REDIRECTOR_PRIVATE_HOSTS cannot be used: must be a JSON "),
        ({"private_hosts": "[7]"}, "The variable ADVOLINK_REDIRECTOR_PRIVATE_HOSTS cannot be used: "),
        ({"ADVOLINK_PARTITIONS": SECRET}, "The variable ADVOLINK_PARTITIONS cannot be used: "),
    ],
)
def test_a_fault_names_the_variable(field: dict[str, str], says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        RedirectorSettings.model_validate(DSN | field)
    said = told(refused.value, RedirectorSettings)
    assert said.startswith(says)
    assert SECRET not in said


@pytest.mark.parametrize("service", ["aggregator", "redirector"])
@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "The variable ADVOLINK_POSTGRES_DSN is not set."),
        (
            {"ADVOLINK_POSTGRES_DSN": f"ada:{SECRET}@127.0.0.1/x"},
            "The variable ADVOLINK_POSTGRES_DSN cannot be used: String should match pattern '^postgres(ql)?://'.",
        ),
        (
            DSN | {"ADVOLINK_EVENT_LOG": "kafka"},
            "The variables cannot be used: ADVOLINK_EVENT_LOG=kafka needs ADVOLINK_KAFKA_BOOTSTRAP.",
        ),
    ],
)
def test_a_service_that_cannot_start_says_why_in_one_sentence(
    service: str, variables: dict[str, str], says: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", service], env=variables, capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"{says}\n")


def test_a_command_says_so_in_one_sentence_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library would repeat what it cannot take for a port."""
    monkeypatch.setenv("ADVOLINK_KAFKA_BOOTSTRAP", f"ada:{SECRET}@here")
    refused = CliRunner().invoke(main, ["topics", "plan"], catch_exceptions=False)
    assert refused.output == "Error: ADVOLINK_KAFKA_BOOTSTRAP cannot be read; it looks like host:9092,host:9092.\n"
