"""From whatever the caller has (file, picture, template, blob) to templates of one modality."""

import dataclasses
import hashlib
import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from biomatch.errors import OptionError, UnreadableSampleError
from biomatch.search import registry
from biomatch.types import FingerPosition, ImpressionType, Modality, Probe, Sample

__all__ = ["Extracted", "Source", "extract", "modality_of", "to_sample"]

Source = object
"""A path, a picture as an array, a `Sample`, a `Probe`, a template, or a template's bytes."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """One template and where it came from.

    Attributes
    ----------
    modality
        Registered name.
    template
        The modality's own object.
    sample
        What it was made from.
    sha256
        Digest of the source file, picture or template.
    part
        Number of the template within the source, from 0.
    traced
        Whether the digest is the source's (so that enrolling it twice is noticed) rather than
        the template's own.
    """

    modality: str
    template: Any
    sample: Sample
    sha256: str
    part: int
    traced: bool

    @property
    def finger_position(self) -> int:
        """Position said by the caller, else by the template itself, else 0."""
        return int(self.sample.finger_position or getattr(self.template, "finger_position", 0) or 0)

    @property
    def ppi(self) -> float | None:
        """Resolution said by the caller, else that the template read from its source."""
        if self.sample.ppi is None and getattr(self.template, "ppi_stated", False):
            return float(self.template.ppi)
        return self.sample.ppi

    @property
    def label(self) -> str | None:
        """Name of the subject or specimen that template or sample carry."""
        return registry.get(self.modality).label(self.template) or self.sample.label


def modality_of(path: Path) -> str:
    """Return the one modality that reads files with this ending.

    Raises
    ------
    OptionError
        None does, or several do.
    """
    suffix = path.suffix.lower()
    fitting = [name for name in registry.names() if suffix in registry.get(name).suffixes]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise OptionError(
            f"{path.name}: '{suffix}' can be {' or '.join(fitting)}; say which with modality="
        )
    raise OptionError(f"{path.name}: no modality reads '{suffix}' files; say which with modality=")


def to_sample(
    source: Source,
    *,
    modality: str | None = None,
    finger_position: int | None = None,
    impression: ImpressionType | str | None = None,
    ppi: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> Sample:
    """Describe a source as a sample.

    Raises
    ------
    OptionError
        The modality is not given and cannot be told, or another value is none that there is.
    UnreadableSampleError
        The file does not exist, or is no file.
    """
    sample = _described(source, modality)
    changes: dict[str, Any] = {}
    if modality is not None:
        changes["modality"] = registry.get(modality).name
    if finger_position is not None:
        changes["finger_position"] = _position(finger_position)
    if impression is not None:
        changes["impression"] = _impression(impression)
    if ppi is not None:
        changes["ppi"] = _resolution(ppi)
    if options:
        changes["options"] = {**sample.options, **options}
    sample = dataclasses.replace(sample, **changes) if changes else sample
    if sample.sha256 is None:
        sample = dataclasses.replace(sample, sha256=_digest(sample))
    return sample


def _position(value: int) -> FingerPosition:
    try:
        return FingerPosition(int(value))
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"finger position is {value!r}; use a code of ANSI/NIST-ITL (0 = unknown)"
        ) from error


def _impression(value: str) -> ImpressionType:
    try:
        return ImpressionType(value)
    except ValueError as error:
        raise OptionError(
            f"impression is {value!r}; use one of {', '.join(ImpressionType)}"
        ) from error


def _resolution(ppi: float) -> float:
    try:
        value = float(ppi)
    except (TypeError, ValueError):
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise OptionError(f"ppi is {ppi!r}; it must be a positive number")
    return value


def _described(source: Source, modality: str | None) -> Sample:
    if isinstance(source, Sample):
        return source
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return Sample(modality or modality_of(path), path=path)
    if modality is None:
        raise OptionError(
            f"what a {type(source).__name__} is cannot be told from itself; say modality="
        )
    if isinstance(source, np.ndarray):
        return Sample(modality, image=source)
    if isinstance(source, bytes | bytearray):
        return Sample(modality, template=registry.get(modality).loads(bytes(source)))
    return Sample(modality, template=source)


def _digest(sample: Sample) -> str | None:
    if sample.path is not None:
        try:
            mode = sample.path.stat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise UnreadableSampleError(f"{sample.path}: is a pipe or a device, not a file")
            with sample.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UnreadableSampleError(
                f"{sample.path}: cannot be read ({reason}); check the path"
            ) from error
    if sample.image is not None:
        head = f"{sample.image.shape}{sample.image.dtype}".encode()
        return hashlib.sha256(head + np.ascontiguousarray(sample.image).tobytes()).hexdigest()
    return None


def extract(sample: Sample) -> list[Extracted]:
    """Make the sample's templates.

    Raises
    ------
    SampleError
        The sample cannot be used.
    """
    modality: Modality[Any] = registry.get(sample.modality)
    templates = modality.extract(sample)
    traced = sample.sha256 is not None
    return [
        Extracted(
            modality=modality.name,
            template=template,
            sample=sample,
            sha256=sample.sha256 or hashlib.sha256(modality.dumps(template)).hexdigest(),
            part=part,
            traced=traced,
        )
        for part, template in enumerate(templates)
    ]


def probe_of(source: Probe) -> list[Extracted]:
    """Unpack a finished probe."""
    modality: Modality[Any] = registry.get(source.modality)
    sample = source.sample or Sample(source.modality, label=source.label)
    return [
        Extracted(
            modality=modality.name,
            template=template,
            sample=sample,
            sha256=sample.sha256 or hashlib.sha256(modality.dumps(template)).hexdigest(),
            part=part,
            traced=False,
        )
        for part, template in enumerate(source.templates)
    ]
