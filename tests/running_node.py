"""The page's tests in node. REQUIRE_NODE=1 turns the skip without node, or without its packages, into a failure."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[1] / "web"
NODE = shutil.which("node")
REQUIRED = os.environ.get("REQUIRE_NODE") == "1"
PACKAGES = WEB / "node_modules/onnxruntime-web"

needs_node = pytest.mark.skipif(NODE is None and not REQUIRED, reason="the page's functions are not tested: no node")
needs_packages = pytest.mark.skipif(
    not (NODE and PACKAGES.is_dir()) and not REQUIRED,
    reason="the page without a server is not tested: no node, or no packages (npm install --prefix web)",
)


def run_node(name: str, cases: Path, tests: int) -> None:
    """Run one file of tests by node's own runner on a file of cases; fail unless so many tests pass."""
    assert NODE, "REQUIRE_NODE is set, but there is no node on the PATH"
    command = [NODE, "--test", "--test-reporter=tap", f"tests/{name}.test.js"]
    environment = {**os.environ, "CASES": str(cases)}
    result = subprocess.run(command, cwd=WEB, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(rf"^# pass {tests}$", result.stdout, re.MULTILINE), result.stdout
