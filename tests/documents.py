"""What a reader of the project meets: its documents, and the commands, code and tables in them."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENVIRONMENT_BYTES = 450_000_000
"""Most that an environment with the installed package takes."""

PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
"""The documents that describe the project as it is; the changelog tells what it was."""

# Bash calls this function for each program that it cannot find, and with this PATH it finds none. The programs of a
# pipe write at once: one printf without a line end is one write.
RECORD = r"""
PATH=/nowhere
command_not_found_handle() { printf '%s\0' "$@" $'\x1e' >> "$RECORD"; }
"""


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", read(page), re.MULTILINE | re.DOTALL)


def spans(page: str) -> list[str]:
    """Return the texts in backticks outside code blocks."""
    text = re.sub(r"^```.*?^```$", "", read(page), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", text)


def output_of(page: str, command: str) -> str:
    """Return the block without a language that follows the bash block which ends with a command."""
    found = re.search(rf"^{re.escape(command)}\n```\n.*?^```\n(.*?)^```$", read(page), re.MULTILINE | re.DOTALL)
    assert found, f"{page} shows no output of {command}"
    return found[1]


def command_of(page: str, start: str) -> str:
    """Return the command that begins so, with the lines on which it continues."""
    found = list(re.finditer(rf"^{re.escape(start)}(.*[\\|]\n)*.*$", read(page), re.MULTILINE))
    assert len(found) == 1, f"{page} has {len(found)} commands that start with {start}"
    return found[0].group()


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    section = re.split(rf"^#+ {re.escape(heading)}$", read(page), flags=re.MULTILINE)[1].split("\n#")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    assert len(lines) > 2, f"{page} has no table below {heading}"
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def split_commands(script: str) -> list[list[str]]:
    """Return the programs that a script would run, each with its arguments as Bash passes them; none of them runs."""
    with tempfile.TemporaryDirectory() as name:
        folder, record = Path(name), Path(name) / "record"
        (folder / ".venv/bin").mkdir(parents=True)
        (folder / "docs").mkdir()
        for path in (record, folder / ".venv/bin/activate", folder / "astronaut.png"):
            path.touch()
        bash = ["bash", "--norc", "--noprofile", "-c", RECORD + script]
        environment = {"PATH": os.environ["PATH"], "RECORD": str(record), "LC_ALL": "C"}
        result = subprocess.run(bash, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stderr) == (0, ""), script
        return [call.rstrip("\0").split("\0") for call in record.read_text().split("\x1e\0")[:-1]]


@cache
def commands(page: str) -> list[list[str]]:
    """Return the commands in the bash blocks of a page."""
    return [call for script in blocks(page, "bash") for call in split_commands(script)]
