import re
from pathlib import Path

import pytest

from realbogus.remotes import REMOTE_FORMS, Remote, parse_remote

BASE = Path("/home/reader")


@pytest.mark.parametrize(
    ("text", "scheme", "address"),
    [
        ("atlas@db1.example.org:/atlas/diff", "ssh", "atlas@db1.example.org:/atlas/diff"),
        ("db1:/atlas/diff/", "ssh", "db1:/atlas/diff"),
        ("db1:~/diff", "ssh", "db1:~/diff"),
        ("rsync://db1/atlas/diff", "rsync", "rsync://db1/atlas/diff"),
        ("rsync://reader@db1:8873/atlas", "rsync", "rsync://reader@db1:8873/atlas"),
        ("http://127.0.0.1:8000", "http", "http://127.0.0.1:8000"),
        ("https://db1.example.org/diff/", "https", "https://db1.example.org/diff"),
        ("/atlas/diff", "file", "/atlas/diff"),
        ("copies/diff", "file", "/home/reader/copies/diff"),
        ("file:///atlas/my%20diff", "file", "/atlas/my diff"),
        ("./odd:name", "file", "/home/reader/odd:name"),
    ],
)
def test_each_form_is_known(text, scheme, address):
    assert parse_remote(text, base=BASE) == Remote(scheme, address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-e sh",
        "--rsh=sh",
        "/atlas\n/diff",
        " /atlas",
        "/atlas\0",
        "ftp://db1/diff",
        "s3://bucket/diff",
        "file://db1/diff",
        "file:diff",
        "http:/db1/diff",
        "db1:",
        "db1::module/diff",
        "-oProxyCommand=id:/x",
        "reader@-oProxyCommand=id:/x",
        "-x@db1:/x",
        "db1:/x;id",
        "db1:/$(id)",
        "db1:/a b",
        "db1:-x",
        "rsync://db1",
        "rsync://db1/",
        "rsync://-db1/module",
        "https://",
        "https://reader:hunter2@db1/diff",
        "https://reader@db1/diff",
        "rsync://reader:hunter2@db1/diff",
        "http://db1/diff?x=1",
        "http://db1:port/diff",
        "https://db1/\u0430",
    ],
)
def test_what_has_no_form_is_refused_and_not_shown(text):
    message = re.escape("must be one of user@host:/path, rsync://host/module/path, http://")
    with pytest.raises(ValueError, match=f"^{message}") as error:
        parse_remote(text, base=BASE)
    assert "hunter2" not in str(error.value)


def test_the_forms_of_the_message_are_themselves_allowed():
    for scheme, form in REMOTE_FORMS.items():
        assert parse_remote(form, base=BASE).scheme == scheme
