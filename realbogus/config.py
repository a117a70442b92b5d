"""The configuration file: ``config.yaml``, read and checked.

Blocks that belong to other tools are ignored.
"""

import os
from collections.abc import Mapping
from configparser import Error as OptionFileError
from configparser import RawConfigParser
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from realbogus.errors import ConfigError
from realbogus.files import atomic_path, require_readable_file
from realbogus.remotes import Remote, parse_remote

__all__ = ["SURVEYS", "Config", "DatabaseSettings", "ImageSettings", "load_config", "write_config"]

SURVEYS = ("atlas", "ps1")


@dataclass(frozen=True)
class DatabaseSettings:
    """How to reach the survey's database: either a URL, or a server and an account.

    A lock is waited for during ``timeout`` seconds, and a silent server ten times as long.
    """

    url: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    hostname: str | None = None
    database: str | None = None
    port: int | None = None
    unix_socket: str | None = None
    ssl_ca: str | None = None
    timeout: int = 60


@dataclass(frozen=True)
class ImageSettings:
    """Where the difference images and the stamps are, and where missing images can be fetched."""

    root: Path
    remote: Remote | None = None
    stamps: Path | None = None

    @property
    def stamp_root(self) -> Path:
        """The folder with the stamps of each database: by default that of the images."""
        return self.stamps or self.root


@dataclass(frozen=True)
class Config:
    """The validated content of a configuration file."""

    path: Path
    survey: str
    database: DatabaseSettings
    images: ImageSettings
    labels: Mapping[str, float] = field(default_factory=dict)
    classifiers: Mapping[str, Path] = field(default_factory=dict)
    ledger: Path = Path("ledger")


def load_config(path: Path) -> Config:
    """Read a configuration file.

    Parameters
    ----------
    path : Path
        The YAML file. Relative paths in it are taken from its folder.

    Raises
    ------
    ConfigError
        If it is missing, is not YAML, or a key has a value that is not allowed.
    """
    require_readable_file(path, name="configFile")
    block = _Block(path, "", _parse(path))
    if block.get("version", int, default=1) != 1:
        raise ConfigError(f"{path}: version must be 1")
    return Config(
        path=path,
        survey=_survey(block),
        database=_database(block.block("databases").block("local")),
        images=_images(block.block("images", optional=True)),
        labels=_labels(block.block("labels", optional=True)),
        classifiers=_classifiers(block.block("classifiers", optional=True)),
        ledger=path.parent / Path(block.get("ledger", str, default="ledger")).expanduser(),
    )


def write_config(path: Path, content: Mapping[str, Any]) -> None:
    """Write a configuration file that only its owner can read, since it may hold a password."""
    with atomic_path(path) as part:
        part.touch(mode=0o600)
        part.write_text(yaml.safe_dump(dict(content), sort_keys=False))


@dataclass(frozen=True)
class _Block:
    """One mapping of the file, which knows its name for the messages."""

    path: Path
    name: str
    content: Mapping[str, Any]

    def key(self, key: str) -> str:
        return f"{self.path}: {self.name}{key}"

    def block(self, key: str, *, optional: bool = False) -> "_Block":
        content = self.content.get(key)
        if content is None and optional:
            content = {}
        if content is None:
            raise ConfigError(f"{self.key(key)} is missing")
        if not isinstance(content, dict):
            raise ConfigError(f"{self.key(key)} must be a block of keys; got {_kind(content)}")
        return _Block(self.path, f"{self.name}{key}.", content)

    def get(self, key: str, kind: type, *, default: Any = None) -> Any:
        value = self.content.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, _ACCEPTED[kind]):
            raise ConfigError(f"{self.key(key)} must be {_NAMES[kind]}; got {_kind(value)}")
        return value

    def require(self, key: str, kind: type) -> Any:
        value = self.get(key, kind)
        if value is None:
            raise ConfigError(f"{self.key(key)} is missing")
        return value


_NAMES = {str: "text", int: "a whole number", float: "a number"}
_LARGEST = 1e300
_ACCEPTED: dict[type, tuple[type, ...]] = {str: (str,), int: (int,), float: (int, float)}


def _kind(value: object) -> str:
    """Name a value's type without showing the value, which may be a secret."""
    kinds: dict[type, str] = {dict: "a block", list: "a list"}
    return kinds.get(type(value), type(value).__name__)


def _parse(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise ConfigError(f"{path}: not valid YAML{where}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: holds no block of keys such as 'databases:'")
    return content


def _survey(block: _Block) -> str:
    survey: str = block.get("survey", str, default="atlas")
    if survey not in SURVEYS:
        allowed = ", ".join(SURVEYS)
        raise ConfigError(f"{block.key('survey')} must be one of {allowed}; got {survey!r}")
    return survey


def _database(block: _Block) -> DatabaseSettings:
    url = block.get("url", str)
    if url is not None:
        return DatabaseSettings(url=_absolute_sqlite(url, block))
    block = _with_option_file(block)
    unix_socket = block.get("unix_socket", str)
    return DatabaseSettings(
        username=block.require("username", str),
        password=_password(block, is_needed=unix_socket is None),
        hostname="localhost" if unix_socket else block.require("hostname", str),
        database=block.require("database", str),
        port=_within(block, "port", 1, 65535),
        unix_socket=unix_socket,
        ssl_ca=block.get("ssl_ca", str),
        timeout=_within(block, "timeout", 1, 86400) or DatabaseSettings.timeout,
    )


def _within(block: _Block, key: str, least: int, most: int) -> int | None:
    number: int | None = block.get(key, int)
    if number is not None and not least <= number <= most:
        raise ConfigError(f"{block.key(key)} must be from {least} to {most}; got {number}")
    return number


_OPTIONS = {
    "user": "username",
    "password": "password",
    "host": "hostname",
    "port": "port",
    "socket": "unix_socket",
    "database": "database",
    "ssl-ca": "ssl_ca",
}
"""The options of a client's option file, and the keys that they stand for."""


def _with_option_file(block: _Block) -> _Block:
    """Fill in what an option file such as ``~/.my.cnf`` says in its ``[client]`` group."""
    name = block.get("option_file", str)
    if name is None:
        return block
    path = block.path.parent / Path(name).expanduser()
    require_readable_file(path, name=block.key("option_file"))
    found = _read_client_options(path)
    if not (found.get("port") or "0").isdecimal():
        raise ConfigError(f"{block.key('option_file')}: port must be a whole number")
    said: dict[str, Any] = {_OPTIONS[key]: found[key] for key in _OPTIONS if found.get(key)}
    if "port" in said:
        said["port"] = int(said["port"])
    given = {key: value for key, value in block.content.items() if value is not None}
    return _Block(block.path, block.name, {**said, **given})


def _read_client_options(path: Path) -> Mapping[str, str]:
    parser = RawConfigParser(
        allow_no_value=True, strict=False, comment_prefixes=("#", ";", "!"), delimiters=("=",)
    )
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OptionFileError, UnicodeDecodeError):
        # The parser's own words would show the line, which may hold the password.
        raise ConfigError(f"{path}: not an option file of MySQL or MariaDB") from None
    client = parser["client"] if parser.has_section("client") else {}
    return {key.replace("_", "-"): (value or "").strip("'\"") for key, value in client.items()}


def _absolute_sqlite(url: str, block: _Block) -> str:
    scheme, _, name = url.partition(":///")
    if scheme == "sqlite" and name:
        return f"sqlite:///{block.path.parent.absolute() / name}"
    if url.startswith("mysql+pymysql://"):
        return url
    raise ConfigError(f"{block.key('url')} must begin with 'sqlite:///' or 'mysql+pymysql://'")


def _password(block: _Block, *, is_needed: bool) -> str | None:
    variable = block.get("password_env", str)
    if variable is None:
        password = block.content.get("password")
        if password is None and is_needed:
            raise ConfigError(
                f"{block.key('password')} is missing (or give password_env or option_file)"
            )
        return None if password is None else str(password)
    if variable not in os.environ:
        raise ConfigError(f"{block.key('password_env')}: the variable {variable} is not set")
    return os.environ[variable]


def _images(block: _Block) -> ImageSettings:
    root = Path(block.get("root", str, default="/atlas/diff"))
    stamps = block.get("stamps", str)
    return ImageSettings(
        root=block.path.parent / root,
        remote=_remote(block),
        stamps=None if stamps is None else block.path.parent / stamps,
    )


def _remote(block: _Block) -> Remote | None:
    text = block.get("remote", str)
    try:
        return None if text is None else parse_remote(text, base=block.path.parent)
    except ValueError as error:
        raise ConfigError(f"{block.key('remote')} {error}") from error


def _labels(block: _Block) -> dict[str, float]:
    return {str(key): _finite(block, key) for key in block.content}


def _finite(block: _Block, key: str) -> float:
    value = block.require(key, float)
    if not abs(value) < _LARGEST:
        raise ConfigError(f"{block.key(key)} must be a finite number")
    return float(value)


def _classifiers(block: _Block) -> dict[str, Path]:
    return {str(key): block.path.parent / block.require(key, str) for key in block.content}
