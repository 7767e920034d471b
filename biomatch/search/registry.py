"""Which modalities there are. A new one needs a package and an entry point, nothing else.

A plug-in declares in its own pyproject.toml::

    [project.entry-points."biomatch.modalities"]
    iris = "biomatch_iris.modality:MODALITY"
"""

import functools
import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from biomatch.errors import OptionError
from biomatch.types import Modality

__all__ = ["BUILT_IN", "get", "names", "options_for"]

BUILT_IN = {
    "dna": "biomatch.dna.modality",
    "face": "biomatch.face.modality",
    "fingerprint": "biomatch.fingerprint.modality",
}


def names() -> list[str]:
    """Names of all registered modalities, sorted."""
    built_in = [name for name, module in BUILT_IN.items() if find_spec(module) is not None]
    return sorted({*built_in, *(entry.name for entry in entry_points(group="biomatch.modalities"))})


@functools.cache
def get(name: str) -> Modality[Any]:
    """Return the modality of that name.

    Raises
    ------
    OptionError
        No such modality.
    """
    if name in BUILT_IN and find_spec(BUILT_IN[name]) is not None:
        modality: Modality[Any] = importlib.import_module(BUILT_IN[name]).MODALITY
        return modality
    for entry in entry_points(group="biomatch.modalities", name=name):
        plugin: Modality[Any] = entry.load()
        return plugin
    raise OptionError(f"no modality '{name}'; there are: {', '.join(names())}")


def options_for(modality: Modality[Any], values: Mapping[str, Any], template: Any) -> object | None:
    """Check comparison options for a probe's template.

    A modality with several models has a method ``bind(options, template)`` that chooses the
    calibration of the template's own model; others need none.

    Raises
    ------
    OptionError
        Unknown name, value out of range, or options that do not fit the template.
    """
    chosen = modality.options(values)
    bind = getattr(modality, "bind", None)
    bound: object | None = bind(chosen, template) if bind else chosen
    return bound
