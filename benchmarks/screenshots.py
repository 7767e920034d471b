"""Photograph reports with headless Chromium, 1280 and 400 pixels wide.

``python benchmarks/screenshots.py demo-out screenshots`` fails when a page logs to the console
(nothing should), and says so when there is no Chromium.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WIDTHS = (1280, 400)
HEIGHT = 3200
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
)


def browser() -> str | None:
    """Return the first Chromium on the path."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


def photograph(program: str, page: Path, width: int, target: Path) -> list[str]:
    """Take one picture and return what the page logged."""
    with tempfile.TemporaryDirectory() as profile:
        result = subprocess.run(
            [
                program,
                *FLAGS,
                f"--user-data-dir={profile}",
                f"--window-size={width},{HEIGHT}",
                f"--screenshot={target.resolve()}",
                page.resolve().as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    return [line for line in result.stderr.splitlines() if "CONSOLE" in line]


def main() -> None:
    """Photograph every page of a folder."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    program = browser()
    if program is None:
        print("no Chromium on this machine: no screenshots were taken")
        return
    target.mkdir(parents=True, exist_ok=True)
    logged = []
    for page in sorted(source.glob("*.html")):
        for width in WIDTHS:
            picture = target / f"{page.stem}-{width}.png"
            logged += photograph(program, page, width, picture)
            print(picture)
    if logged:
        sys.exit("\n".join(logged))


if __name__ == "__main__":
    main()
