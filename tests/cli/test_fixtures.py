"""The shipped samples are what their README says."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from biomatch import dna


def test_every_file_is_named_in_the_readme(fixtures: Path) -> None:
    told = (fixtures / "README.md").read_text(encoding="utf-8")
    for path in sorted((fixtures / "dna").iterdir()) + sorted((fixtures / "faces").glob("*.jpg")):
        assert f"`{path.name}`" in told
    for path in (fixtures / "faces" / "gallery").iterdir():
        assert path.stem.partition("_")[0] in {"collins", "hopper"}


def test_the_stain_is_part_of_its_donor(fixtures: Path) -> None:
    people = {profile.name: profile for profile in dna.read(fixtures / "dna" / "database.csv")}
    (stain,) = dna.read(fixtures / "dna" / "stain.csv")
    donor = people["P137"].autosomal
    assert len(stain.autosomal) == 10
    assert all(set(tokens) == set(donor[locus]) for locus, tokens in stain.autosomal.items())


def test_children_inherit_from_both_parents(fixtures: Path) -> None:
    mother, father, *children = dna.read(fixtures / "dna" / "family.csv")
    for child in children:
        for locus, tokens in child.autosomal.items():
            assert set(tokens) & set(mother.autosomal[locus])
            assert set(tokens) & set(father.autosomal[locus])


def test_controls_are_the_published_types(fixtures: Path, shared: Path) -> None:
    import csv

    published: dict[str, dict[str, set[str]]] = {}
    with (shared / "dna" / "control_profiles_osiris.csv").open() as file:
        for row in csv.DictReader(file):
            alleles = {row["allele1"], row["allele2"]} - {""}
            published.setdefault(row["sample"], {})[dna.canonical(row["locus"])] = alleles
    for control in dna.read(fixtures / "dna" / "controls.csv"):
        for locus, tokens in control.autosomal.items():
            assert set(tokens) == published[str(control.name)][locus], locus


def test_faces_are_made_again_alike(fixtures: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    script = shutil.copy(fixtures / "make_faces.py", tmp_path)
    subprocess.run([sys.executable, script], check=True)
    made = sorted((tmp_path / "faces").rglob("*.jpg"))
    assert len(made) == 14
    from PIL import Image, ImageChops, ImageStat

    for path in made:
        kept = fixtures / path.relative_to(tmp_path)
        if hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(kept.read_bytes()).digest():
            continue
        difference = ImageChops.difference(Image.open(path), Image.open(kept))  # other codec
        assert max(ImageStat.Stat(difference).mean) < 3, path
