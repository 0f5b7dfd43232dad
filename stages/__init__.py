"""The stages, each a command. Python runs this file before it loads one, so the source files are remembered here."""

from emotion import source_files

source_files.remember()
