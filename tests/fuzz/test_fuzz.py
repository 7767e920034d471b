"""A short, seeded run of each fuzz target: only BiomatchErrors may come out.

``fuzz.py`` beside this file runs the same targets for as long as one likes.
"""

import random

import pytest
from targets import TARGETS, check, seeds

MUTANTS = 150
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x1C, 0x1D, 0x1E, 0x1F, 0x30, 0x39, 0x2E)


def mutate(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        place = rng.randrange(len(changed) + 1)
        act = rng.random()
        if act < 0.5 and changed:
            changed[place % len(changed)] = rng.choice((*INTERESTING, rng.randrange(256)))
        elif act < 0.65:
            del changed[place : place + rng.randint(1, 20)]
        elif act < 0.8:
            changed[place:place] = rng.randbytes(rng.randint(1, 8))
        elif act < 0.9:
            other = rng.randrange(len(changed) + 1)
            changed[place:place] = changed[other : other + rng.randint(1, 60)]
        else:
            del changed[place:]
    return bytes(changed)


@pytest.mark.parametrize("name", TARGETS)
def test_mutants_are_read_or_refused(name: str) -> None:
    """`check` lets everything but a BiomatchError through to fail the test."""
    rng = random.Random(name)
    corpus = seeds(name)
    for _ in range(MUTANTS):
        check(name, mutate(rng.choice(corpus), rng))


@pytest.mark.parametrize("name", TARGETS)
def test_own_seeds_are_accepted(name: str) -> None:
    from targets import _OWN

    refused = {"face_record", "picture"}
    for seed in _OWN[name]():
        assert check(name, seed) or name in refused
