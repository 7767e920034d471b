"""Minutia Cylinder-Code: what surrounds each minutia, as bits.

R. Cappelli, M. Ferrara, D. Maltoni, "Minutia Cylinder-Code: a new representation and matching
technique for fingerprint recognition", IEEE TPAMI 32(12), 2010. A cylinder is centred on a
minutia and turned with it: its base is a disc of cells, its height the difference of
directions. A cell is set when enough neighbouring minutiae lie near it, pointing its way.

Bits are laid out in `SECTIONS` words of 64 bits, one a direction section; bit c of a word is
cell c of the disc. One more word says which cells are valid, so a single AND restricts two
cylinders to what both can know.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biomatch.fingerprint.kernels import native
from biomatch.fingerprint.minutiae import Minutiae

__all__ = ["CELLS", "SECTIONS", "VERSION", "Cylinders", "encode", "hull_rows"]

VERSION = 1
"""Raised whenever the same minutiae give other bits: indexes are then rebuilt."""

RADIUS = 70.0
"""Radius R in pixels at 500 ppi (paper, table I)."""
DIAMETER_CELLS = 8
"""Cells along the diameter, N_S (the paper's MCC8 variants)."""
SECTIONS = 6
"""Direction sections, N_D (paper, table I)."""
SIGMA_SPACE = 28 / 3
"""Standard deviation of a neighbour's spatial contribution in pixels (paper, table I)."""
SIGMA_ANGLE = 2 * math.pi / 9
"""Standard deviation of its directional contribution in radians (paper, table I)."""
BIT_THRESHOLD = 0.005
"""Contribution that sets a bit, μ_Ψ: half the paper's, which keeps lone neighbours visible."""
HULL_OFFSET = 50.0
"""Cells this far outside the minutiae's convex hull are still valid, in pixels (table I, Ω)."""
MIN_VALID = 0.6
"""Share of valid cells that a usable cylinder needs (paper: 75 %; lower keeps partial prints)."""
MIN_NEIGHBOURS = 2
"""Minutiae that must contribute to a usable cylinder (paper, table I, min_M)."""

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
ANGLE_STEPS = 512
TAU = 2 * math.pi


def _disc() -> NDArray[np.float32]:
    """Cell centres inside the disc, in pixels from the minutia, shape (cells, 2)."""
    step = 2 * RADIUS / DIAMETER_CELLS
    axis = (np.arange(DIAMETER_CELLS) + 0.5) * step - RADIUS
    u, v = np.meshgrid(axis, axis, indexing="ij")
    inside = u**2 + v**2 <= RADIUS**2
    return np.stack([u[inside], v[inside]], axis=1).astype(np.float32)


def _sections() -> NDArray[np.float32]:
    """Directional contribution by difference of directions, shape (ANGLE_STEPS, SECTIONS).

    The Gaussian's mass inside each section (paper, equations 9 to 11).
    """
    width = TAU / SECTIONS
    centres = -math.pi + (np.arange(SECTIONS) + 0.5) * width
    difference = np.arange(ANGLE_STEPS) * TAU / ANGLE_STEPS
    offset = np.mod(centres[None, :] - difference[:, None] + math.pi, TAU) - math.pi
    scale = SIGMA_ANGLE * math.sqrt(2)
    erf = np.vectorize(math.erf)
    mass = (erf((offset + width / 2) / scale) - erf((offset - width / 2) / scale)) / 2
    return np.asarray(mass, np.float32)


DISC = _disc()
CELLS = len(DISC)
MASS = _sections()
MIN_CELLS = math.ceil(MIN_VALID * CELLS)


@dataclass(frozen=True, slots=True)
class Cylinders:
    """The cylinders of one print, one a minutia, in the minutiae's order.

    Attributes
    ----------
    bits
        uint64, shape (n, SECTIONS); a bit outside `cells` is 0.
    cells
        Valid cells, uint64, shape (n,); 0 = this minutia has no usable cylinder.
    """

    bits: NDArray[np.uint64]
    cells: NDArray[np.uint64]


def encode(minutiae: Minutiae) -> Cylinders:
    """Make the cylinders of one print.

    Parameters
    ----------
    minutiae
        Any number; fewer than three give cylinders without valid cells.
    """
    count = len(minutiae)
    bits = np.zeros((count, SECTIONS), np.uint64)
    cells = np.zeros(count, np.uint64)
    if count > MIN_NEIGHBOURS:
        outline = hull_rows(minutiae.x, minutiae.y)
        encode_into(minutiae.x, minutiae.y, minutiae.angle, outline, bits, cells)
    return Cylinders(bits, cells)


@native
def _turn(x: F32, y: F32, a: int, b: int, c: int) -> float:
    """Twice the signed area of the triangle a, b, c."""
    return float((x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]))


@native
def hull_rows(x: F32, y: F32) -> I64:
    """Row numbers of the points on the convex hull, in order (Andrew's monotone chain)."""
    count = len(x)
    order = np.argsort(x + y * np.float32(1e-6), kind="mergesort")
    chain = np.empty(2 * count + 1, np.int64)
    size = 0
    for point in order:
        while size >= 2 and _turn(x, y, chain[size - 2], chain[size - 1], point) <= 0:
            size -= 1
        chain[size] = point
        size += 1
    floor = size + 1
    for place in range(count - 2, -1, -1):
        point = order[place]
        while size >= floor and _turn(x, y, chain[size - 2], chain[size - 1], point) <= 0:
            size -= 1
        chain[size] = point
        size += 1
    return chain[: max(size - 1, 1)]


@native
def inside(px: float, py: float, edges: F32, offset: float) -> bool:
    """Whether a point lies inside a convex outline, or at most `offset` outside each edge.

    `edges` has one row a, b, c an edge: a x + b y + c is the signed distance, inside positive.
    """
    for e in range(edges.shape[0]):
        if edges[e, 0] * px + edges[e, 1] * py + edges[e, 2] < -offset:
            return False
    return True


@native
def edges_of(x: F32, y: F32, outline: I64) -> F32:
    """Normalised edge equations of a hull for `inside`, float32, shape (edges, 3)."""
    count = len(outline)
    edges = np.zeros((count, 3), np.float32)
    for e in range(count):
        a, b = outline[e], outline[(e + 1) % count]
        dx, dy = x[b] - x[a], y[b] - y[a]
        length = math.sqrt(dx * dx + dy * dy)
        if length > 0:
            edges[e, 0] = -dy / length
            edges[e, 1] = dx / length
            edges[e, 2] = (dy * x[a] - dx * y[a]) / length
    return edges


@native
def _valid_cells(px: float, py: float, cos: float, sin: float, edges: F32) -> np.uint64:
    """Mark the cells that lie in the print, for a minutia at (px, py)."""
    word = np.uint64(0)
    for cell in range(CELLS):
        x = px + cos * DISC[cell, 0] + sin * DISC[cell, 1]
        y = py - sin * DISC[cell, 0] + cos * DISC[cell, 1]
        if inside(x, y, edges, HULL_OFFSET):
            word |= np.uint64(1) << np.uint64(cell)
    return word


@native
def _gather(i: int, x: F32, y: F32, angle: F32, sums: F32) -> int:
    """Sum the neighbours' contributions to minutia i's cells; return how many contribute."""
    sums[:] = 0
    cos, sin = math.cos(angle[i]), math.sin(angle[i])
    reach = 3 * SIGMA_SPACE
    scale = np.float32(1 / (SIGMA_SPACE * math.sqrt(TAU)))
    neighbours = 0
    for j in range(len(x)):
        dx, dy = x[j] - x[i], y[j] - y[i]
        if j == i or dx * dx + dy * dy > (RADIUS + reach) ** 2:
            continue
        u, v = cos * dx - sin * dy, sin * dx + cos * dy
        turn = (angle[i] - angle[j]) / TAU
        step = int((turn - math.floor(turn)) * ANGLE_STEPS + 0.5) % ANGLE_STEPS
        touched = False
        for cell in range(CELLS):
            du, dv = DISC[cell, 0] - u, DISC[cell, 1] - v
            square = du * du + dv * dv
            if square <= reach * reach:
                touched = True
                weight = scale * np.float32(math.exp(-square / (2 * SIGMA_SPACE**2)))
                for section in range(SECTIONS):
                    sums[section, cell] += weight * MASS[step, section]
        neighbours += touched
    return neighbours


@native
def encode_into(x: F32, y: F32, angle: F32, outline: I64, bits: U64, cells: U64) -> None:
    """Write the cylinders of one print into `bits` (n, SECTIONS) and `cells` (n,)."""
    edges = edges_of(x, y, outline)
    sums = np.zeros((SECTIONS, CELLS), np.float32)
    for i in range(len(x)):
        cells[i] = 0
        bits[i] = 0
        valid = _valid_cells(x[i], y[i], math.cos(angle[i]), math.sin(angle[i]), edges)
        count = 0
        for cell in range(CELLS):
            count += int((valid >> np.uint64(cell)) & np.uint64(1))
        if count < MIN_CELLS or _gather(i, x, y, angle, sums) < MIN_NEIGHBOURS:
            continue
        cells[i] = valid
        for section in range(SECTIONS):
            word = np.uint64(0)
            for cell in range(CELLS):
                if sums[section, cell] >= BIT_THRESHOLD:
                    word |= np.uint64(1) << np.uint64(cell)
            bits[i, section] = word & valid
