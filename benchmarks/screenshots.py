"""Photograph and check reports with headless Chromium, 1280 and 400 pixels wide.

``python benchmarks/screenshots.py demo-out screenshots`` takes a picture of every page of a folder
at both widths and fails when a page logs to the console, scrolls sideways, has a picture without
a text alternative, text of too little contrast, or something a keyboard cannot reach. Without
Chromium it says so and does nothing.

A window of Chromium is never narrower than 500 pixels, so each page is shown in a frame of the
width that is wanted.
"""

import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

WIDTHS = (1280, 400)
TALLEST = 12_000
TIMEOUT = 120
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--enable-logging=stderr",
)
CHECKS = Path(__file__).with_name("page_checks.js")


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found on a page at one width: its height in pixels, and each fault in words."""

    height: int
    faults: tuple[str, ...]


def browser() -> str | None:
    """Return a Chromium that starts on this machine, if there is one."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    program = next((found for name in names if (found := shutil.which(name))), None)
    return program if program and _starts(program) else None


@cache
def _starts(program: str) -> bool:
    try:
        return "hello" in _run(program, "<p>hello</p>", "--dump-dom").stdout
    except (OSError, subprocess.SubprocessError):
        return False


def _framed(page: Path, width: int, height: int, script: str = "") -> str:
    content = page.read_text(encoding="utf-8")
    if script:
        content = content.replace("</body>", f"<script>{script}</script></body>")
    return (
        '<!DOCTYPE html><html><head><meta charset="utf-8"><link rel="icon" href="data:,">'
        "<style>body{margin:0}iframe{border:0;display:block}</style></head><body>"
        f'<iframe width="{width}" height="{height}" srcdoc="{html.escape(content)}"></iframe>'
        '<pre id="found"></pre></body></html>'
    )


def _run(program: str, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        frame = Path(folder) / "frame.html"
        frame.write_text(text, encoding="utf-8")
        return subprocess.run(
            [program, *FLAGS, f"--user-data-dir={folder}/profile", *options, frame.as_uri()],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=True,
        )


def examine(program: str, page: Path, width: int) -> Examined:
    """Check one page at one width."""
    script = CHECKS.read_text(encoding="utf-8")
    text = _framed(page, width, 900, script)
    result = _run(
        program, text, "--window-size=1280,900", "--virtual-time-budget=5000", "--dump-dom"
    )
    stated = re.search(r'<pre id="found">(.+?)</pre>', result.stdout, re.DOTALL)
    if stated is None:
        return Examined(900, ("the checks did not run",))
    found = json.loads(html.unescape(stated[1]))
    logged = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    faults = [*found["faults"], *(f"logs to the console: {line}" for line in logged)]
    return Examined(int(found["height"]), tuple(faults))


def photograph(program: str, page: Path, width: int, height: int, target: Path) -> None:
    """Take a picture of the whole page at one width."""
    height = min(height, TALLEST)
    text = _framed(page, width, height)
    options = (f"--window-size={max(width, 500)},{height}", f"--screenshot={target.resolve()}")
    _run(program, text, *options)
    with Image.open(target) as picture:
        cropped = picture.crop((0, 0, width, min(height, picture.height)))
    cropped.save(target)


def main() -> None:
    """Photograph and check every page of a folder."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    program = browser()
    if program is None:
        print("no Chromium starts on this machine: no screenshots were taken, no page was checked")
        return
    target.mkdir(parents=True, exist_ok=True)
    faults = []
    for page in sorted(source.glob("*.html")):
        for width in WIDTHS:
            picture = target / f"{page.stem}-{width}.png"
            examined = examine(program, page, width)
            photograph(program, page, width, examined.height, picture)
            print(picture)
            faults += [f"{page.name} at {width} pixels: {fault}" for fault in examined.faults]
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
