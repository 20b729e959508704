"""The set-up finds a Python that the lock was made for, and the lock names no index."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIND = ROOT / ".ci" / "find-python"


def test_it_finds_the_version_asked_for():
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = subprocess.run([FIND, version], capture_output=True, text=True, check=True).stdout.strip()
    said = subprocess.run(
        [found, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == version


def test_it_takes_the_first_version_that_is_there():
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    both = subprocess.run([FIND, "3.99", version], capture_output=True, text=True, check=True).stdout
    assert both == subprocess.run([FIND, version], capture_output=True, text=True, check=True).stdout


def test_it_fails_where_there_is_none():
    assert subprocess.run([FIND, "3.99"], capture_output=True).returncode == 1


def test_the_lock_pins_by_hash_and_names_no_index():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert "index-url" not in lock
    pinned = re.findall(r"^([a-z0-9][\w.\-\[\]]*)==", lock, flags=re.MULTILINE | re.IGNORECASE)
    assert len(pinned) > 50
    assert lock.count("--hash=sha256:") >= len(pinned)
