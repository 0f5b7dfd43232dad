"""The comparison as one HTML file: the report, then the pictures of both revisions. It loads nothing from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from html import escape
from typing import Final

Pictures = Mapping[str, bytes]
"""PNG files of a revision by name."""

_HEAD: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border: 1px solid #ccc; padding: 0.2rem 0.6rem; text-align: left; }
blockquote { background: #fff3cd; margin: 1rem 0; padding: 0.5rem 1rem; }
.pair { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { flex: 1 1 20rem; margin: 0; }
img { max-width: 100%; }
</style>
"""


def describe(report: str, names: tuple[str, str], pictures: tuple[Pictures, Pictures]) -> str:
    """Write the page.

    Args:
        report: Markdown, as `report.describe` returns it.
        names: of the two revisions.
        pictures: of the two revisions.
    """
    from markdown_it import MarkdownIt

    title = " against ".join(map(escape, reversed(names)))
    # This preset takes HTML in the text for text: names of faces come from archives.
    body = MarkdownIt("js-default").render(report)
    shown = [_pair(name, names, pictures) for name in sorted({*pictures[0], *pictures[1]})]
    gallery = "\n".join(["<h2>Pictures</h2>", *shown]) if shown else ""
    return f"{_HEAD}<title>{title}</title>\n{body}{gallery}\n</html>\n"


def _pair(picture: str, names: tuple[str, str], pictures: tuple[Pictures, Pictures]) -> str:
    """Show a picture of both revisions side by side, or once if both have the same."""
    before, after = (each.get(picture) for each in pictures)
    if before == after:
        sides = [_figure(before, "both")]
    else:
        sides = [_figure(content, name) for content, name in zip((before, after), names, strict=True)]
    return f'<h3>{escape(picture)}</h3>\n<div class="pair">{"".join(sides)}</div>'


def _figure(content: bytes | None, name: str) -> str:
    caption = escape(name)
    if content is None:
        return f"<figure><figcaption>{caption}: none</figcaption></figure>"
    source = f"data:image/png;base64,{b64encode(content).decode()}"
    return f'<figure><figcaption>{caption}</figcaption><img alt="" src="{source}"></figure>'
