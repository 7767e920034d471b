"""Nothing about models or the device leaves the machine: ONNX Runtime's telemetry is off."""

import os
import subprocess
import sys
from pathlib import Path

ASK = (
    "from biomatch import models; models.session('yunet_2023mar'); import os; "
    "print(os.environ['ORT_DISABLE_TELEMETRY'])"
)
QUIETENED_BY = {"CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"}


def test_a_session_leaves_no_identifier_of_the_device(tmp_path: Path) -> None:
    without = {name: value for name, value in os.environ.items() if name not in QUIETENED_BY}
    places = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / ".cache")}
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env=without | places,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1\n"
    assert not [path for path in tmp_path.rglob("*") if "onnx" in path.name.lower()]
