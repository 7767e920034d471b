"""``python -m biomatch`` is the same as ``biomatch``."""

from biomatch.cli import main

if __name__ == "__main__":
    main()
