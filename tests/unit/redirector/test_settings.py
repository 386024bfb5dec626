"""Settings that could not work are refused when the redirector starts, with the name of the setting."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from redirector.settings import MEBIBYTE, SEGMENTS_MIN, FullPolicy, RedirectorSettings


def settings(**fields: Any) -> RedirectorSettings:
    return RedirectorSettings.model_validate({"ADVOLINK_POSTGRES_DSN": "postgresql://127.0.0.1/x", **fields})


def test_only_the_database_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything else has a default that suits one machine."""
    with pytest.raises(ValidationError, match="ADVOLINK_POSTGRES_DSN"):
        RedirectorSettings()
    monkeypatch.setenv("ADVOLINK_POSTGRES_DSN", "postgresql://127.0.0.1/x")
    chosen = RedirectorSettings()
    assert (chosen.host, chosen.port, chosen.journal_full_policy) == ("127.0.0.1", 8080, FullPolicy.REDIRECT)
    assert chosen.journal_retention is None


def test_the_environment_is_read_by_its_documented_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are JSON, durations seconds or ISO 8601."""
    for name, value in {
        "ADVOLINK_POSTGRES_DSN": "postgresql://127.0.0.1/x",
        "ADVOLINK_PARTITIONS": "3",
        "ADVOLINK_REDIRECTOR_PRIVATE_HOSTS": '["wiki.intranet"]',
        "ADVOLINK_REDIRECTOR_JOURNAL_DIR": "/srv/journals",
        "ADVOLINK_REDIRECTOR_JOURNAL_FULL_POLICY": "refuse",
        "ADVOLINK_REDIRECTOR_JOURNAL_RETENTION": "P1DT12H",
        "ADVOLINK_REDIRECTOR_HEARTBEAT_INTERVAL": "2.5",
    }.items():
        monkeypatch.setenv(name, value)
    chosen = RedirectorSettings()
    assert (chosen.partitions, chosen.private_hosts, chosen.journal_dir) == (
        3,
        ["wiki.intranet"],
        Path("/srv/journals"),
    )
    assert chosen.journal_full_policy is FullPolicy.REFUSE
    assert (chosen.journal_retention, chosen.heartbeat_interval.total_seconds()) == (timedelta(hours=36), 2.5)


NETWORKS = ("trusted_proxies", "internal_networks")


@pytest.mark.parametrize("field", NETWORKS)
def test_networks_are_a_json_list(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """None unless set; single addresses are networks too."""
    assert getattr(settings(), field) == []
    monkeypatch.setenv("ADVOLINK_POSTGRES_DSN", "postgresql://127.0.0.1/x")
    monkeypatch.setenv(f"ADVOLINK_REDIRECTOR_{field.upper()}", '["10.1.0.0/16", "2001:db8::1"]')
    assert [str(one) for one in getattr(RedirectorSettings(), field)] == ["10.1.0.0/16", "2001:db8::1/128"]


@pytest.mark.parametrize("field", NETWORKS)
@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("*", r"JSON list of networks.* a \* would name everybody"),
        ('["*"]', "must hold networks like"),
        ('["10.1.0.0/16", "0.0.0.0/0"]', "would name everybody"),
        ('["::/0"]', "would name everybody"),
        ('["10.1.0.7/16"]', "must hold networks like"),
        ("[7]", "must hold networks like"),
        ("10.1.0.0/16", "must be a JSON list"),
    ],
)
def test_whoever_would_trust_everybody_is_refused(field: str, value: str, why: str) -> None:
    """With a sentence that says why."""
    with pytest.raises(ValidationError, match=why):
        settings(**{field: value})


@pytest.mark.parametrize("url", ["https://go.example.com", "http://127.0.0.1:8080", "http://[::1]:8080"])
def test_the_public_url_is_an_origin(url: str) -> None:
    assert settings(public_url=url).public_url == url


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("public_url", url) for url in ("go.example.com", "ftp://go.example.com", "https://a/", "https://a/b", "")),
        *(("partitions", count) for count in (0, 257)),
        *(("port", port) for port in (0, 65_536)),
        ("journal_retention", -1),
        *(("heartbeat_interval", seconds) for seconds in (0, -1)),
        ("journal_full_policy", "drop"),
        ("links_in_memory_max", 0),
        ("journal_segment_bytes", MEBIBYTE - 1),
        ("drain_seconds", -1),
    ],
)
def test_what_cannot_work_is_refused_by_name(field: str, value: object) -> None:
    name = "ADVOLINK_PARTITIONS" if field == "partitions" else field
    with pytest.raises(ValidationError, match=name):
        settings(**{name: value})


def test_a_journal_holds_several_segments() -> None:
    """With fewer, it could be full while nothing may go yet, and stay so until the retention is over."""
    segment = 2 * MEBIBYTE
    settings(journal_segment_bytes=segment, journal_bytes_max=SEGMENTS_MIN * segment)
    with pytest.raises(ValidationError, match="JOURNAL_BYTES_MAX must hold at least 5 times"):
        settings(journal_segment_bytes=segment, journal_bytes_max=SEGMENTS_MIN * segment - 1)
