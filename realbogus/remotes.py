"""Where missing images are fetched from: what ``images.remote`` of the configuration may say."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["REMOTE_FORMS", "Remote", "parse_remote"]

_USER = r"(?:[A-Za-z0-9_][\w.-]*@)?"
_HOST = r"[A-Za-z0-9](?:[\w.-]*\w)?"
_PORT = r"(?::\d{1,5})?"
# Of a path on another machine: nothing that a shell there would read as more than a name.
_PATH = r"[\w./~+=,@%-]*"

REMOTE_FORMS = {
    "ssh": "user@host:/path",
    "rsync": "rsync://host/module/path",
    "http": "http://host/path",
    "https": "https://host/path",
    "file": "a folder",
}
"""How each kind of place is written."""

_PATTERNS = {
    "ssh": rf"(?!(?:file|https?|rsync|ssh):){_USER}{_HOST}:(?!:)[\w./~]{_PATH}",
    "rsync": rf"rsync://{_USER}{_HOST}{_PORT}/\w{_PATH}",
    "http": rf"http://{_HOST}{_PORT}(?:/{_PATH})?",
    "https": rf"https://{_HOST}{_PORT}(?:/{_PATH})?",
    "file": r"file:///.+|(?!file:).+",
}


@dataclass(frozen=True)
class Remote:
    """A place that has the images under the same names as the image root.

    Attributes
    ----------
    scheme : str
        One of `REMOTE_FORMS`.
    address : str
        As its program takes it, without a slash at the end: rsync, a web client, or the folder.
    """

    scheme: str
    address: str


def parse_remote(text: str, *, base: Path) -> Remote:
    """Read a place to fetch from.

    Parameters
    ----------
    text : str
        What the configuration says.
    base : Path
        Where a relative folder starts.

    Raises
    ------
    ValueError
        If it has none of the forms. The text is not shown, since it may hold a password.
    """
    scheme = _scheme(text)
    if scheme not in _PATTERNS or not re.fullmatch(_PATTERNS[scheme], text, re.ASCII):
        forms = ", ".join(REMOTE_FORMS.values())
        raise ValueError(f"must be one of {forms}; without a password, and with a plain path")
    if scheme == "file":
        return Remote("file", str(base.absolute() / _folder(text)))
    return Remote(scheme, text.rstrip("/"))


def _scheme(text: str) -> str:
    """Tell a folder from the rest as rsync does: by a colon before the first slash."""
    if not text.isprintable() or text != text.strip() or text[:1] in {"", "-"}:
        return ""
    if "://" in text:
        return urlsplit(text).scheme
    return "ssh" if ":" in text.split("/")[0] else "file"


def _folder(text: str) -> str:
    return unquote(text.removeprefix("file://")) if text.startswith("file://") else text
