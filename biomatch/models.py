"""The model registry: name -> file, sha256, licence, input contract.

Models are files in the tree (``models/models.toml`` beside them), so an air-gapped clone
works. A user's own folder, named by ``BIOMATCH_MODELS`` or ``--models``, is read after ours
and may add names or replace them. A file whose sha256 differs from the registered one is
never loaded.
"""

import functools
import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from biomatch.errors import ModelError

__all__ = ["Model", "folders", "load", "registry", "session", "verify"]

REQUIRED = ("file", "sha256", "licence", "origin", "made_by")


@dataclass(frozen=True, slots=True)
class Model:
    """One registered model.

    Attributes
    ----------
    name
        Registry key.
    path
        The ONNX file.
    sha256
        Registered digest, hex.
    licence, licence_file, origin, made_by
        Provenance: SPDX name, text beside the models, where the weights come from, and the
        script that made this file.
    contract
        Input and output: shapes, value ranges, channel order, and other settings.
    """

    name: str
    path: Path
    sha256: str
    licence: str
    origin: str
    made_by: str
    licence_file: str = ""
    contract: Mapping[str, Any] = field(default_factory=dict)

    def read(self) -> bytes:
        """Return the file's bytes after checking the digest.

        Raises
        ------
        ModelError
            The file is missing or its sha256 differs.
        """
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise ModelError(
                f"model '{self.name}': cannot read {self.path} ({error.strerror}); "
                "restore the file or name its folder in BIOMATCH_MODELS"
            ) from error
        digest = hashlib.sha256(data).hexdigest()
        if digest != self.sha256:
            raise ModelError(
                f"model '{self.name}': sha256 of {self.path.name} is {digest[:16]}…, registered "
                f"is {self.sha256[:16]}…; restore the file, it is not loaded"
            )
        return data


def folders() -> list[Path]:
    """Model folders in reading order: ours, then the user's."""
    package = Path(__file__).parent
    ours = package / "_models"
    found = [ours if ours.is_dir() else package.parent / "models"]
    own = os.environ.get("BIOMATCH_MODELS")
    return [*found, Path(own)] if own else found


def registry() -> dict[str, Model]:
    """All registered models by name.

    Raises
    ------
    ModelError
        A models.toml is missing, unreadable or lacks a required field.
    """
    return _registry(tuple(folders()))


@functools.cache
def _registry(paths: tuple[Path, ...]) -> dict[str, Model]:
    models: dict[str, Model] = {}
    for folder in paths:
        models.update(_read(folder))
    return models


def _read(folder: Path) -> dict[str, Model]:
    listing = folder / "models.toml"
    try:
        with listing.open("rb") as file:
            entries = tomllib.load(file)
    except OSError as error:
        raise ModelError(f"cannot read {listing} ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{listing} is not valid TOML: {error}") from error
    return {name: _model(name, entry, listing) for name, entry in entries.items()}


def _model(name: str, entry: Any, listing: Path) -> Model:
    missing = [key for key in REQUIRED if not isinstance(entry, dict) or key not in entry]
    if missing:
        raise ModelError(f"{listing}: model '{name}' lacks {', '.join(missing)}")
    if not isinstance(entry.get("contract", {}), dict):
        raise ModelError(f"{listing}: the contract of model '{name}' is no table")
    return Model(
        name=name,
        path=listing.parent / str(entry["file"]),
        sha256=str(entry["sha256"]).lower(),
        licence=str(entry["licence"]),
        origin=str(entry["origin"]),
        made_by=str(entry["made_by"]),
        licence_file=str(entry.get("licence_file", "")),
        contract=dict(entry.get("contract", {})),
    )


def load(name: str) -> Model:
    """Return one registered model.

    Raises
    ------
    ModelError
        The name is not registered.
    """
    models = registry()
    if name not in models:
        raise ModelError(f"no model '{name}'; registered are: {', '.join(sorted(models))}")
    return models[name]


def verify(name: str) -> None:
    """Check that a model's file is there and is the registered one.

    Raises
    ------
    ModelError
        It is not.
    """
    load(name).read()


def _runtime() -> Any:
    """Import ONNX Runtime with its telemetry off.

    Official builds from 1.29 on send the names and digests of models to their maker and keep an
    identifier of the device, unless this variable is set before they are loaded.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime as ort

    ort.disable_telemetry_events()
    return ort


@functools.cache
def session(name: str, *, device: str = "cpu", threads: int = 1) -> Any:
    """Return an ONNX Runtime session of a registered model, made once a process.

    Parameters
    ----------
    name
        Registry key.
    device
        ``"cpu"``, or an execution provider's short or full name such as ``"cuda"``.
    threads
        Threads inside one inference; 1 with several worker processes is fastest.

    Raises
    ------
    ModelError
        Wrong digest, a device that is unknown or does not start, or a file that ONNX Runtime
        refuses.
    """
    ort = _runtime()
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    provider = _provider(device, ort.get_available_providers())
    model = load(name)
    data = model.read()
    try:
        made = ort.InferenceSession(data, settings, providers=[provider])
    except Exception as error:
        raise ModelError(
            f"model '{name}': onnxruntime refuses {model.path.name}: {error}"
        ) from error
    if provider not in made.get_providers():  # onnxruntime falls back to the CPU in silence
        raise ModelError(
            f"device '{device}' did not start (its driver or libraries are missing); "
            "use the device cpu, or see what onnxruntime says about it"
        )
    return made


def _provider(device: str, available: list[str]) -> str:
    """Find the execution provider of a device by its short or full name, in any case."""
    suffix = "ExecutionProvider"
    # Azure is a remote service that needs an endpoint of its own, and no device.
    offered = {p.removesuffix(suffix).lower(): p for p in available if p != f"Azure{suffix}"}
    found = offered.get(device.lower().removesuffix(suffix.lower()))
    if found is None:
        raise ModelError(
            f"device '{device}' is not offered by this onnxruntime; there are: "
            f"{', '.join(sorted(offered))}; others need another build of it, such as "
            "onnxruntime-gpu for cuda"
        )
    return found
