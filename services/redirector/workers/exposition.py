"""Metrics of several workers as one: every sample with the number of its worker, every family described once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

LABEL = "worker"


@dataclass(slots=True)
class _Family:
    """What is said of one metric: HELP and TYPE, as the first worker says them, and everybody's samples."""

    about: dict[str, str] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)


def merged(own: str, workers: Mapping[int, str]) -> str:
    """Text in Prometheus's format: the samples of `own` as they are, and those of the workers with their label."""
    families: dict[str, _Family] = {}
    _add(families, own, None)
    for worker, text in workers.items():
        _add(families, text, worker)
    lines = [line for family in families.values() for line in (*family.about.values(), *family.samples)]
    return "".join(f"{line}\n" for line in lines)


def _add(families: dict[str, _Family], text: str, worker: int | None) -> None:
    family = _Family()
    for line in text.splitlines():
        if line.startswith("# "):
            _, word, name, *_ = line.split(" ", 3)
            family = families.setdefault(name, _Family())
            family.about.setdefault(word, line)
        elif line:
            family.samples.append(line if worker is None else _labelled(line, worker))


def _labelled(sample: str, worker: int) -> str:
    """The sample with one label more. A metric's name holds neither brace nor blank."""
    brace, blank = sample.find("{"), sample.find(" ")
    if 0 <= brace < blank:
        return f'{sample[:brace]}{{{LABEL}="{worker}",{sample[brace + 1 :]}'
    return f'{sample[:blank]}{{{LABEL}="{worker}"}}{sample[blank:]}'
