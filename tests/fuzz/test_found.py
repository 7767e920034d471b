"""Inputs that once escaped as something else than a BiomatchError: found by fuzzing, kept."""

import pytest
from targets import check

FOUND = [
    ("frequencies", b"Allele,TH01,FGA\n6,0.25,\n21.2.,,0.5\n"),
    ("frequencies", b"Allele,TH01,FGA\n6,0.25,\n<,,0.5\n"),
    (
        "frequencies",
        '<frequencies><marker><name>TH01</name><origin name="X" n="²">'
        '<frequency allele="6">0.25</frequency></origin></marker></frequencies>'.encode(),
    ),
    ("frequencies", b"Allele,TH01,FGA\n6,0.25,\n9.3,0.75,\n20,,0.5\n\xb21,,0.5\n"),
    ("model_list", b'[m]\nfile = "\xaa"\n'),
    ("model_list", b"a = " + b"[" * 5000),
    (
        "model_list",
        b'[m]\nfile = ""\nsha256 = ""\nlicence = ""\norigin = ""\nmade_by = ""\ncontract = 1\n',
    ),
    ("job", b'db = 1\n[[step]]\nrun = "enrol"\n'),
    ("job", b'[[step]]\nrun = "enrol"\nout = 1\n'),
    ("job", b"a = " + b"[" * 5000),
    ("configuration", b"[db]\n"),
    ("configuration", b"models = [1]\n"),
    ("configuration", b"a = " + b"[" * 5000),
    ("manifest_lines", b'{"path": "a", "ppi": ' + b"9" * 5000 + b"}\n"),
    ("manifest_lines", b'{"path": "a", "subject": "\\ud800"}\n'),
    ("manifest_table", b"path,finger\na," + b"9" * 5000 + b"\n"),
    ("manifest_table", b'path,"cat\na.png,"\nb.png,\n'),
    ("manifest_table", b'path,finger\na.png,"1\n\n2"\n'),
    ("pairs", b'path_a,path_bg,"\n.png"\n'),
    ("score_file", b'"a\nb",c\n1,2\n'),
    ("segment", b'{"format": 1, "files": ' + b"[" * 100_000),
]


@pytest.mark.parametrize(
    ("name", "data"), FOUND, ids=[f"{n}-{i}" for i, (n, _) in enumerate(FOUND)]
)
def test_is_refused_in_one_sentence(name: str, data: bytes) -> None:
    """`check` lets everything but a BiomatchError through; only odd digits are no error."""
    assert check(name, data) == (b"\xb2" in data)
