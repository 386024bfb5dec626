"""What is made from the code and kept in files: schemas/openapi/ and the tables of docs/operations.md.

`make docs` (`python -m stage.generated`) writes them; tests/docs finds out where they no longer say what the code does.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, cast

import annotated_types
import orjson
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from aggregator.app import build_public_app as build_aggregator
from aggregator.metrics import AggregatorMetrics
from aggregator.settings import AggregatorSettings, SilenceSettings
from database.pool import Pool
from database.settings import DatabaseSettings
from http_api.access import Access
from http_api.settings import StackSettings
from local.settings import LocalSettings
from redirector.app import Desks
from redirector.app import build_public_app as build_redirector
from redirector.imports.importing import Importer
from redirector.metrics import RedirectorMetrics, WorkerMetrics
from redirector.redirecting import Redirector
from redirector.routes.advocates import AdvocateDesk
from redirector.routes.browsers import BrowserDesk
from redirector.routes.conversions import ConversionDesk
from redirector.routes.imports import ImportDesk
from redirector.routes.links import LinkDesk
from redirector.routes.self_clicks import SelfDesk
from redirector.settings import RedirectorSettings
from stage.requirements import REPOSITORY

OPENAPI: Final = REPOSITORY / "schemas" / "openapi"
OPERATIONS: Final = REPOSITORY / "docs" / "operations.md"

SETTINGS: Final[Mapping[str, tuple[type[BaseSettings], ...]]] = {
    "redirector": (RedirectorSettings,),
    "aggregator": (AggregatorSettings,),
    "up": (LocalSettings,),
    "commands": (StackSettings, DatabaseSettings, SilenceSettings),
}
"""Table → the settings it lists."""

METRICS: Final[Mapping[str, Callable[[], CollectorRegistry]]] = {
    "redirector": lambda: RedirectorMetrics().registry,
    "workers": lambda: WorkerMetrics().registry,
    "aggregator": lambda: AggregatorMetrics().registry,
}

_BYTE_UNITS: Final = ((2**30, "GiB"), (2**20, "MiB"))
_BLOCK: Final = re.compile(
    r"(?P<begin><!-- made from the code: (?P<kind>settings|metrics) (?P<name>\w+) -->\n)"
    r".*?"
    r"(?P<end><!-- end -->\n)",
    re.DOTALL,
)


def apps() -> Mapping[str, FastAPI]:
    """Both services' public apps by name, good for being asked what they are: nothing stands behind their routes."""
    nothing = cast("Any", None)
    access = Access(nothing)
    public_url = "http://127.0.0.1:8080"
    desks = Desks(
        AdvocateDesk(nothing, nothing, access),
        LinkDesk(nothing, nothing, access, nothing, public_url),
        ImportDesk(cast("Importer", nothing), access, Path(), 0),
        SelfDesk(nothing, access, nothing, public_url),
        ConversionDesk(nothing, access),
        BrowserDesk(nothing, nothing, nothing, nothing, nothing, nothing),
    )
    redirector = build_redirector(desks, cast("Redirector", nothing), RedirectorMetrics())
    return {"redirector": redirector, "aggregator": build_aggregator(cast("Pool", nothing))}


def openapi_files() -> Mapping[Path, bytes]:
    """The OpenAPI documents as they should stand in schemas/openapi/."""
    return {
        OPENAPI / f"{name}.json": orjson.dumps(app.openapi(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        for name, app in apps().items()
    }


def with_current_tables(text: str) -> str:
    """`text` with every table that is made from the code as it should be."""
    return _BLOCK.sub(lambda block: f"{block['begin']}{_table(block['kind'], block['name'])}{block['end']}", text)


def tables_in(text: str) -> set[tuple[str, str]]:
    """The tables that `text` has a place for: (settings or metrics, whose)."""
    return {(block["kind"], block["name"]) for block in _BLOCK.finditer(text)}


def metric_names(registry: CollectorRegistry) -> Iterator[str]:
    """Every name that /metrics shows, without the samples that Prometheus derives."""
    for metric in registry.collect():
        yield f"{metric.name}_total" if metric.type == "counter" else metric.name


def variables(*classes: type[BaseSettings]) -> Mapping[str, FieldInfo]:
    """The environment variables that these settings read."""
    return {
        str(field.validation_alias or f"{settings.model_config.get('env_prefix', '')}{name}").upper(): field
        for settings in classes
        for name, field in settings.model_fields.items()
    }


def write_all() -> None:
    """Bring every file up to the code."""
    OPENAPI.mkdir(parents=True, exist_ok=True)
    for path, content in openapi_files().items():
        path.write_bytes(content)
    OPERATIONS.write_text(with_current_tables(OPERATIONS.read_text(encoding="utf-8")), encoding="utf-8")


def _table(kind: str, name: str) -> str:
    rows = _setting_rows(*SETTINGS[name]) if kind == "settings" else _metric_rows(METRICS[name]())
    return "\n".join(["", *rows, "", ""])


def _setting_rows(*classes: type[BaseSettings]) -> Iterator[str]:
    yield "| variable | default | what it sets |"
    yield "|---|---|---|"
    for variable, field in variables(*classes).items():
        default = "required" if field.is_required() else _shown_default(variable, field)
        yield f"| `{variable}` | {default} | {_in_cell(field.description or '')}{_bounds(variable, field)} |"


def _shown_default(variable: str, field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None and variable.endswith("_RETENTION"):
        return "for ever"
    if value is PydanticUndefined or value in (None, ""):
        return "none"
    units = _in_units(variable, value)
    return f"`{_written(value)}`" if units is None else f"`{value}` ({units})"


def _written(value: object) -> object:
    """A value as it is written in the environment."""
    return TypeAdapter(timedelta).dump_python(value, mode="json") if isinstance(value, timedelta) else value


def _bounds(variable: str, field: FieldInfo) -> str:
    """The limits of a setting, in brackets."""
    limits = {type(limit): limit for limit in field.metadata}
    lowest, highest = limits.get(annotated_types.Ge), limits.get(annotated_types.Le)
    if lowest and highest:
        return f" ({lowest.ge} to {highest.le})"
    if lowest and lowest.ge not in (0, 1, timedelta(0)):
        return f" (At least {_in_units(variable, lowest.ge) or _written(lowest.ge)}.)"
    return ""


def _in_units(variable: str, value: object) -> str | None:
    if isinstance(value, int) and "BYTES" in variable:
        for size, unit in _BYTE_UNITS:
            if value % size == 0:
                return f"{value // size} {unit}"
    return None


def _metric_rows(registry: CollectorRegistry) -> Iterator[str]:
    yield "| metric | type | labels | what it says |"
    yield "|---|---|---|---|"
    for metric, name in zip(registry.collect(), metric_names(registry), strict=True):
        labels = ", ".join(f"`{label}`" for label in _labels(registry, metric.name))
        yield f"| `{name}` | {metric.type} | {labels} | {_in_cell(metric.documentation)} |"


def _labels(registry: CollectorRegistry, name: str) -> tuple[str, ...]:
    # prometheus_client shows labels on samples only, and an unused metric has none.
    collector: Any = registry._names_to_collectors[name]  # noqa: SLF001
    return tuple(getattr(collector, "_labelnames", ()))  # a collector of our own has none


def _in_cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    write_all()
