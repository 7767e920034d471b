"""Coverage-guided fuzzing of one parser with atheris (``pip install atheris``).

::

    python tests/fuzz/fuzz.py minutiae_record -max_total_time=120

Arguments behind the target's name go to libFuzzer. A crash writes its input to a file
``crash-...``, which ``python tests/fuzz/fuzz.py TARGET FILE`` runs again.
"""

import os
import sys
import tempfile
from pathlib import Path

import atheris

os.environ["NUMBA_DISABLE_JIT"] = "1"  # instrumented bytecode cannot be compiled

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

with atheris.instrument_imports(include=["biomatch"]):
    import targets

LIMITS = ["-timeout=20", "-rss_limit_mb=3000", "-max_len=40000"]


def main() -> None:
    """Fuzz the target named first until libFuzzer's limits."""
    if len(sys.argv) < 2 or sys.argv[1] not in targets.TARGETS:
        sys.exit(f"usage: fuzz.py {{{','.join(targets.TARGETS)}}} [libFuzzer arguments]")
    name, arguments = sys.argv[1], sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(targets.seeds(name)):
            (Path(folder) / f"{number:04d}").write_bytes(seed)
        replay = [a for a in arguments if not a.startswith("-")]
        corpus = [] if replay else [folder]
        atheris.Setup(
            [sys.argv[0], *LIMITS, *arguments, *corpus], lambda data: targets.check(name, data)
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
