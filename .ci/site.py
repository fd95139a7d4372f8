"""Hooks of MkDocs (mkdocs.yml): what lies outside docs/ and is linked joins the site, and links go where it then is.

README.md is the home page, and docs/first_steps.ipynb a page with what its cells printed and drew.
"""

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
HOME, NOTEBOOK = ROOT / "README.md", DOCS / "first_steps.ipynb"
LINK = re.compile(r"(?<=\]\()([^)\s#]+)")
# GitHub reads a list right under a paragraph and items that are indented by two; Python-Markdown reads neither.
LIST_UNDER_PARAGRAPH, INDENTED_ITEM = re.compile(r"(?m)^(?![-*|#` ])(.+)\n(?=- )"), re.compile(r"(?m)^  (?=- )")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the home page, and whatever pages link to outside docs/."""
    waiting, seen = [HOME, NOTEBOOK, *DOCS.rglob("*.md")], set()
    while waiting:
        path = waiting.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        if not files.get_file_from_path(_place(path)):
            source = {"content": _page_of_notebook(path)} if path == NOTEBOOK else {"abs_src_path": str(path)}
            files.append(File.generated(config, _place(path), **source))
        waiting += [path.parent.joinpath(link).resolve() for link in _links(path)]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to where the site has what they name, and write lists as MkDocs reads them."""
    place = page.file.src_uri
    folder = posixpath.dirname(place)
    is_outside = any(_place(path) == place for path in ROOT.glob("*.md"))

    def moved(link: re.Match[str]) -> str:
        target = (ROOT if is_outside else DOCS).joinpath(folder, link[0]).resolve()
        return link[0] if "://" in link[0] else posixpath.relpath(_place(target), folder or ".")

    return INDENTED_ITEM.sub("    ", LIST_UNDER_PARAGRAPH.sub(r"\1\n\n", LINK.sub(moved, markdown)))


def _links(path: Path) -> Iterator[str]:
    if path.suffix in (".md", ".ipynb"):
        yield from (link for link in LINK.findall(path.read_text("utf-8")) if "://" not in link)


def _place(path: Path) -> str:
    """Return where the site has a file of the repository."""
    if path == HOME:
        return "index.md"
    if path == NOTEBOOK:
        return "first_steps.md"
    return path.relative_to(DOCS if path.is_relative_to(DOCS) else ROOT).as_posix()


def _page_of_notebook(path: Path) -> str:
    return "\n\n".join(part for cell in json.loads(path.read_text("utf-8"))["cells"] for part in _parts(cell))


def _parts(cell: dict) -> Iterator[str]:
    """Yield a cell of a notebook as Markdown: prose as it is, code in a block, and what came out of it."""
    text = "".join(cell["source"])
    yield text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```"
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "image/png" in data:
            yield f'<img alt="What the cell draws" src="data:image/png;base64,{"".join(data["image/png"]).strip()}">'
        elif "text/markdown" in data:
            yield "".join(data["text/markdown"])
        else:
            yield f"```text\n{''.join(data.get('text/plain', output.get('text', []))).rstrip()}\n```"
