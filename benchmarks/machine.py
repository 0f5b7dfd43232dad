"""Describes what the figures depend on: processor, memory, versions and other load. No host name, path or date."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

PACKAGES: Final = ("numpy", "tensorflow", "keras", "onnxruntime", "opencv-python-headless", "dvc")
"""Packages whose versions affect the figures most."""

BUSY: Final = 0.5
"""Busy cores before the start above which the machine counts as shared with other work."""


def describe() -> dict[str, Any]:
    """Return facts by name; call this before the first measurement, whose own load must not count."""
    load = os.getloadavg()[0]
    shared = "the machine was shared: expect better figures on an idle one" if load > BUSY else "otherwise idle"
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "cores at work in the minute before": f"{load:.1f} ({shared})",
    }


def _processor() -> str:
    """Name the processor and its instructions for bfloat16 and int8, on which mixed precision and int8 depend."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return platform.processor() or platform.machine()
    entries = dict(line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line)
    facts = {name.strip(): value.strip() for name, value in entries.items()}
    flags = facts.get("flags", "").split()
    halves, products = ([flag for flag in flags if part in flag] for part in ("bf16", "vnni"))
    return (
        f"{facts.get('model name', platform.machine())} ({', '.join(halves) or 'no'} instructions for bfloat16, "
        f"{', '.join(products) or 'no'} instructions for int8 products)"
    )
