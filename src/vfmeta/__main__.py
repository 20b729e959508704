"""``python -m vfmeta`` is the command ``vfmeta``."""

from vfmeta.cli import main

if __name__ == "__main__":
    main()
