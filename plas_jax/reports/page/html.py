"""HTML in which everything is escaped unless it was made here, and a policy that lets a page ask for nothing."""

import base64
import hashlib
import html
import json
from collections.abc import Iterable, Sequence

LONGEST = 60  # characters of a name; of a longer one both ends are shown, and a checksum tells it from others
VOID = ("meta", "hr")


class Html(str):
    """Text that is HTML already. Only `element` and `raw` make it."""

    __slots__ = ()


def raw(text: str) -> Html:
    """Return text as HTML without escaping it: of this package's own files alone."""
    return Html(text)


def element(tag: str, *content: str, **attributes: str | float | None) -> Html:
    """Return an element. What is not `Html` is escaped, an attribute of None is left out; `_` in a name stands for -.

    A trailing `_` is dropped, so that `class_` and `for_` can be written.
    """
    shown = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(str(value), quote=True)}"'
        for name, value in attributes.items()
        if value is not None
    )
    start = f"<{tag}{shown}>"
    return Html(start if tag in VOID else f"{start}{joined(content)}</{tag}>")


def joined(content: Iterable[str]) -> Html:
    """Return pieces behind each other, those that are no `Html` escaped."""
    return Html("".join(piece if isinstance(piece, Html) else html.escape(piece, quote=True) for piece in content))


def cut(name: str) -> str:
    """Return a name that fits into a line; of equal names the same, of different ones different."""
    if len(name) <= LONGEST:
        return name
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{name[: LONGEST // 2]}…{name[-LONGEST // 4 :]} ({mark})"


def cut_long(text: str) -> str:
    """Return a sentence of at most a thousand characters."""
    return text if len(text) <= 1000 else f"{text[:1000]}…"


def name(text: str) -> Html:
    """Return a name for a reader: cut, and unable to turn the writing direction of what stands around it."""
    return element("bdi", cut(text))


def table(caption: str, header: Sequence[str], body: Iterable[Sequence[str]], words: int = 1) -> Html:
    """Return a table that scrolls by itself: a row begins with its header; so many columns are words, not numbers."""

    def kind(column: int) -> str | None:
        return "words" if column < words else None

    columns = [element("th", cell, scope="col", class_=kind(place)) for place, cell in enumerate(header)]
    rows = []
    for first, *others in body:
        cells = [element("td", cell, class_=kind(place)) for place, cell in enumerate(others, 1)]
        rows.append(element("tr", element("th", first, scope="row", class_="words"), *cells))
    head = element("tr", *columns)
    whole = element("table", element("caption", caption), element("thead", head), element("tbody", *rows))
    return element("div", whole, class_="scrolls", role="region", tabindex="0", aria_label=caption)


def folded(summary: str, *content: str) -> Html:
    """Return content that a reader opens."""
    return element("details", element("summary", summary), *content)


def data_script(identifier: str, data: object) -> Html:
    """Return data as JSON that a script reads. `<`, `>` and `&` are escaped, so that no text in it ends the element."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return element("script", raw(text), type="application/json", id=identifier)


def policy(scripts: Iterable[str], styles: Iterable[str]) -> str:
    """Return a content security policy: nothing is loaded or sent, and only these scripts and styles are used."""
    parts = ["default-src 'none'", "base-uri 'none'", "form-action 'none'"]
    parts += [f"script-src {_hashes(scripts)}", f"style-src {_hashes(styles)}"]
    return "; ".join(parts)


def _hashes(texts: Iterable[str]) -> str:
    digests = [base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") for text in texts]
    return " ".join(f"'sha256-{digest}'" for digest in digests)
