"""Embedding: face chips -> unit vectors, by one or two registered networks.

A network is described by its models.toml entry: chip template, channel order, mean and
standard deviation, dimension. Any ArcFace-style recogniser of 112 x 112 pixels can so be added
by a user, without code.
"""

import functools
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch import models
from biomatch.errors import ModelError, OptionError
from biomatch.face import parameters
from biomatch.face.alignment import TEMPLATES, align

__all__ = ["ModelSet", "Network", "embed", "model_set", "model_sets"]

TASK = "face-embedding"
BATCH = 32
MOST_DIMENSIONS = 65535
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Network:
    """One recogniser and what it wants to see.

    Attributes
    ----------
    name
        Registry key.
    sha256
        Digest of the ONNX file.
    template
        Chip template that it was trained on, a key of `alignment.TEMPLATES`.
    channels
        ``"rgb"`` or ``"bgr"``.
    mean, std
        A channel, in pixel units 0 to 255: the input is ``(pixel - mean) / std``.
    dimension
        Length of its output.
    quality_curve
        Offset and slope of the logistic curve from raw norm times detection score to quality,
        or None.
    """

    name: str
    sha256: str
    template: str
    channels: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    dimension: int
    quality_curve: tuple[float, float] | None

    def run(self, chips: NDArray[np.uint8], device: str) -> Floats:
        """Return the raw outputs, (n, dimension), of chips (n, size, size, 3) uint8 RGB.

        Raises
        ------
        ModelError
            The model does not take such chips, or its output is not finite or has another shape
            than models.toml says.
        """
        session = models.session(self.name, device=device)
        given = session.get_inputs()[0]
        size = given.shape[0] if isinstance(given.shape[0], int) else BATCH
        parts = [
            self._part(session, given.name, chips[i : i + size], given.shape[0])
            for i in range(0, len(chips), size)
        ]
        return np.concatenate(parts)

    def _part(self, session: Any, name: str, chips: NDArray[np.uint8], size: int | str) -> Floats:
        """Run one batch, filled up to `size` chips where the model asks for that many."""
        count = len(chips)
        if isinstance(size, int) and count < size:
            chips = np.concatenate([chips, np.repeat(chips[-1:], size - count, axis=0)])
        pixels = chips[..., ::-1] if self.channels == "bgr" else chips
        batch = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32)
        if any(self.mean) or set(self.std) != {1.0}:
            batch -= np.array(self.mean, np.float32)[:, None, None]
            batch /= np.array(self.std, np.float32)[:, None, None]
        try:
            output = np.asarray(session.run(None, {name: batch})[0])
        except Exception as error:
            words = " ".join(str(error).split())
            raise ModelError(
                f"model '{self.name}': cannot be run on float32 chips of shape {batch.shape} "
                f"(template '{self.template}'): {words}"
            ) from error
        if output.shape != (len(chips), self.dimension):
            raise ModelError(
                f"model '{self.name}': the output has shape {output.shape}, models.toml says "
                f"dimension {self.dimension}"
            )
        if not np.isfinite(output).all():
            raise ModelError(
                f"model '{self.name}': the output is not finite; check mean and std in models.toml"
            )
        return output[:count].astype(np.float32)


@dataclass(frozen=True, slots=True)
class ModelSet:
    """The networks whose weighted unit vectors make one embedding.

    Attributes
    ----------
    name
        ``"default"``, ``"high"``, or the registry key of a user's model.
    networks, weights
        In the order of concatenation.
    model_id
        Name and digest of networks, weights, chip templates and aligner version.
    """

    name: str
    networks: tuple[Network, ...]
    weights: tuple[float, ...]
    model_id: str

    @property
    def dimension(self) -> int:
        """Length of the embedding."""
        return sum(network.dimension for network in self.networks)


BUILT_IN = {
    "default": (("sface_2021dec", 1.0),),
    "high": (("sface_2021dec", 1.0), ("dlib_resnet_v1", parameters.FUSED_WEIGHT)),
}


def model_sets() -> list[str]:
    """Names that `accuracy` may have: ours, and every registered face recogniser.

    Raises
    ------
    ModelError
        A recogniser is registered under the name of one of our sets.
    """
    own = [m.name for m in models.registry().values() if m.contract.get("task") == TASK]
    for taken in sorted(BUILT_IN.keys() & set(own)):
        raise ModelError(f"models.toml: '{taken}' is a model set of biomatch; give another name")
    inside = {name for parts in BUILT_IN.values() for name, _ in parts}
    return [*BUILT_IN, *sorted(set(own) - inside)]


@functools.cache
def model_set(name: str) -> ModelSet:
    """Return the model set of that name.

    Raises
    ------
    OptionError
        No such set.
    ModelError
        A models.toml entry that cannot be used.
    """
    if name not in model_sets():
        raise OptionError(f"accuracy '{name}' is unknown; there are: {', '.join(model_sets())}")
    parts = BUILT_IN.get(name, ((name, 1.0),))
    networks = tuple(_network(models.load(part)) for part, _ in parts)
    weights = tuple(weight for _, weight in parts)
    recipe = [
        parameters.ALIGNER_VERSION,
        [
            [n.sha256, n.template, n.channels, n.mean, n.std, w]
            for n, w in zip(networks, weights, strict=True)
        ],
    ]
    digest = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:16]
    return ModelSet(name, networks, weights, f"face-{name}-{digest}")


def _network(model: models.Model) -> Network:
    contract = model.contract
    missing = [k for k in ("template", "channels", "mean", "std", "dimension") if k not in contract]
    if contract.get("task") != TASK or missing:
        lacks = ", ".join(missing) or f"task = '{TASK}'"
        raise ModelError(f"model '{model.name}': its contract in models.toml lacks {lacks}")
    template, channels = str(contract["template"]), str(contract["channels"])
    if template not in TEMPLATES or channels not in ("rgb", "bgr"):
        raise ModelError(
            f"model '{model.name}': template '{template}' with channels '{channels}' is unknown; "
            f"templates are {', '.join(TEMPLATES)}, channels rgb or bgr"
        )
    if contract.get("metric", "cosine") != "cosine":
        raise ModelError(f"model '{model.name}': metric '{contract['metric']}' is not 'cosine'")
    mean, std = (_numbers(model, key, 3) for key in ("mean", "std"))
    if min(std) <= 0:
        raise ModelError(f"model '{model.name}': std {list(std)} must be above 0")
    dimension = contract["dimension"]
    if not isinstance(dimension, int) or not 1 <= dimension <= MOST_DIMENSIONS:
        raise ModelError(
            f"model '{model.name}': dimension {dimension!r} must be a whole number from 1 to "
            f"{MOST_DIMENSIONS}"
        )
    curve = _numbers(model, "quality_curve", 2) if "quality_curve" in contract else None
    return Network(
        name=model.name,
        sha256=model.sha256,
        template=template,
        channels=channels,
        mean=mean,
        std=std,
        dimension=dimension,
        quality_curve=(curve[0], curve[1]) if curve else None,
    )


def _numbers(model: models.Model, key: str, count: int) -> tuple[float, ...]:
    """Read a list of finite numbers from a model's contract."""
    values = model.contract[key]
    fits = isinstance(values, list) and len(values) == count
    if not fits or not all(isinstance(v, int | float) and math.isfinite(v) for v in values):
        raise ModelError(
            f"model '{model.name}': {key} in models.toml is {values!r}; it must be a list of "
            f"{count} numbers"
        )
    return tuple(float(v) for v in values)


def embed(
    pixels: NDArray[np.uint8],
    landmarks: NDArray[Any],
    models_used: ModelSet,
    *,
    device: str = "cpu",
) -> tuple[Floats, Floats, NDArray[np.uint8]]:
    """Embed the faces of one picture.

    Parameters
    ----------
    pixels
        (H, W, 3) uint8 RGB.
    landmarks
        (n, 5, 2) pixels.
    models_used
        From `model_set`.
    device
        Execution provider.

    Returns
    -------
    embeddings
        (n, d) float32 unit vectors: each network's unit vector times its weight,
        concatenated, and normalised again.
    norms
        (n, networks) lengths of the raw outputs.
    chips
        (n, size, size, 3) of the first network, for quality measures.
    """
    if not len(landmarks):
        size = TEMPLATES[models_used.networks[0].template].size
        empty = np.zeros((0, models_used.dimension), np.float32)
        return empty, empty[:, : len(models_used.networks)], np.zeros((0, size, size, 3), np.uint8)
    chips = {
        template: np.stack([align(pixels, points, template) for points in landmarks])
        for template in dict.fromkeys(network.template for network in models_used.networks)
    }
    parts, norms = [], []
    for network, weight in zip(models_used.networks, models_used.weights, strict=True):
        raw = network.run(chips[network.template], device)
        length = np.linalg.norm(raw, axis=1, keepdims=True)
        parts.append(raw / np.maximum(length, 1e-9) * weight)
        norms.append(length[:, 0])
    joined = np.concatenate(parts, axis=1)
    joined /= np.maximum(np.linalg.norm(joined, axis=1, keepdims=True), 1e-9)
    return joined, np.stack(norms, axis=1), chips[models_used.networks[0].template]
