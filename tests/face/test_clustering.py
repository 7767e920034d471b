"""People in unlabelled folders, and label errors in labelled ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from biomatch.errors import OptionError, TemplateMismatchError
from biomatch.face import embedding
from biomatch.face.clustering import cluster, suspicions

from .conftest import Maker


def people(make: Maker, count: int, pictures: int, seed: int = 0) -> tuple[list, list[str]]:
    dice = np.random.default_rng(seed)
    centres = dice.normal(size=(count, 64))
    templates, names = [], []
    for number, centre in enumerate(centres):
        for _ in range(pictures):
            templates.append(make(centre + dice.normal(size=64) * 0.6))
            names.append(f"person {number}")
    return templates, names


def test_people_are_told_apart(make: Maker) -> None:
    templates, names = people(make, 12, 5)
    labels = cluster(templates, threshold=0.5)
    assert len(set(labels)) == 12
    assert all(len({labels[i] for i in range(60) if names[i] == n}) == 1 for n in set(names))


def test_the_largest_group_is_first(make: Maker) -> None:
    templates, _ = people(make, 3, 4)
    labels = cluster([templates[0], *templates[4:], templates[5]], threshold=0.5)
    assert np.bincount(labels).tolist() == [5, 4, 1]
    assert cluster([]).tolist() == []
    assert cluster(templates[:1], threshold=0.5).tolist() == [0]


def test_one_bridge_does_not_join_two_people(make: Maker) -> None:
    a, b = np.eye(8)[0], np.eye(8)[1]
    templates = [make(a)] * 4 + [make(b)] * 4 + [make(a + b)]
    labels = cluster(templates, threshold=0.6)
    assert labels[0] != labels[4]
    assert len(set(labels)) == 2


def test_planted_label_errors_are_found(make: Maker) -> None:
    templates, names = people(make, 10, 4)
    names[0:2] = ["alias", "alias"]  # two pictures of person 0 under another name
    names[4] = "person 7"  # a picture of person 1 under the name of person 7
    dice = np.random.default_rng(9)
    templates[11] = make(dice.normal(size=64))  # somebody unknown among person 2's
    found = suspicions(templates, names, threshold=0.5)
    kinds = {(s.kind, s.subject, s.other) for s in found}
    assert {(s.kind, s.row) for s in found} >= {("wrong label", 4), ("stranger", 11)}
    assert ("wrong label", "person 7", "person 1") in kinds
    assert ("stranger", "person 2", "") in kinds
    assert any(k == "one person" and {a, b} == {"alias", "person 0"} for k, a, b in kinds)
    assert len(found) == 3


def test_clean_galleries_raise_no_suspicion(make: Maker) -> None:
    assert suspicions(*people(make, 10, 4), threshold=0.5) == []
    assert suspicions([], []) == []


def test_errors(make: Maker) -> None:
    templates, names = people(make, 2, 2)
    with pytest.raises(OptionError, match="no calibration"):
        cluster(templates)
    with pytest.raises(OptionError, match="4 templates with 3"):
        suspicions(templates, names[:3])
    with pytest.raises(OptionError, match="threshold is 7"):
        cluster(templates, threshold=7)
    with pytest.raises(TemplateMismatchError, match="re-enrol"):
        cluster([*templates, make(np.ones(64), model_id="face-other")], threshold=0.5)


@pytest.mark.shared
def test_real_label_errors_of_lfw_are_found(make: Maker, shared: Path) -> None:
    with np.load(shared / "face" / "lfw_embeddings_dev_f16.npz") as file:
        paths = [str(path) for path in file["path"]]
        vectors = file["sface"].astype(np.float32)
    names = [path.split("/")[0] for path in paths]
    identity = embedding.model_set("default").model_id
    templates = [make(vector, model_id=identity) for vector in vectors]
    errors = json.loads((shared / "face" / "lfw_label_errors.json").read_text())
    aliases = {frozenset(pair) for pair in errors["alias_identities"] if set(pair) <= set(names)}
    assert len(aliases) == 12
    found = suspicions(templates, names)
    pairs = {frozenset((s.subject, s.other)) for s in found if s.other}
    assert aliases <= pairs
    assert len(pairs) < 25  # and hardly anybody else: there are 4 million pairs
    strangers = {Path(paths[s.row]).stem for s in found if s.kind == "stranger"}
    assert {"Nora_Bendijo_0002", "Janica_Kostelic_0002"} <= strangers
    assert len(strangers) < 10
