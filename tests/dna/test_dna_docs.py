"""The examples in the documentation of the DNA room are true."""

import doctest
import importlib
import pkgutil

import pytest

import biomatch.dna

ROOM = pkgutil.walk_packages(biomatch.dna.__path__, "biomatch.dna.")
MODULES = ["biomatch.dna", *sorted(module.name for module in ROOM)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0


def test_public_names_exist():
    assert all(hasattr(biomatch.dna, name) for name in biomatch.dna.__all__)
    assert biomatch.dna.__all__ == sorted(
        biomatch.dna.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n)
    )
