"""Exposures from a real sshd of the tests' own, by key."""

import getpass
import os
import time
from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from realbogus.fetch import Patience
from tests import places
from tests.helpers import program
from tests.places import NAMES
from tests.test_fetch import QUICK, assert_all_came, assert_failed, fetch, files

ONCE = replace(QUICK, tries=1, silence=5.0)
PATIENT = replace(ONCE, tries=2)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    with places.ssh_server(tmp_path_factory.mktemp("sshd")) as folder:
        yield folder


@pytest.fixture
def use(tmp_path, monkeypatch):
    """Let ssh read another configuration than the user's own, and nothing else change."""

    def choose(folder, **changes):
        lines = (folder / "config").read_text().splitlines()
        told = [line for line in lines if line.split()[0] not in changes]
        told += [f"{key} {value}" for key, value in changes.items()]
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin/config").write_text("\n".join([*told, ""]))
        (tmp_path / "bin/ssh").write_text(
            f'#!/bin/sh\nexec {program("ssh")} -F {tmp_path}/bin/config "$@"\n'
        )
        (tmp_path / "bin/ssh").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")

    return choose


@pytest.fixture
def root(tmp_path):
    return tmp_path / "diff"


@pytest.mark.parametrize("user", ["", f"{getpass.getuser()}@"], ids=["as myself", "by name"])
def test_images_come_by_key(sshd, use, there, root, user):
    use(sshd)
    assert_all_came(fetch(f"{user}sky:{there}", root, patience=ONCE), root, there)


def test_what_is_nowhere_is_named_at_once_and_the_rest_comes(sshd, use, there, root):
    use(sshd)
    lost = PurePosixPath("02a/58310/02a58310o9999c.diff.fz")
    fetched = fetch(f"sky:{there}", root, [lost, *NAMES[:2]], patience=PATIENT)
    assert fetched.names == NAMES[:2]
    assert_failed(fetched, root, "No such file or directory", lost)


REFUSALS = {
    "an unknown host": ({"UserKnownHostsFile": "/dev/null"}, "Host key verification failed"),
    "another key": ({"IdentityFile": "{sshd}/other"}, r"Permission denied \(publickey,password"),
    "no key": ({"IdentityFile": "none"}, "Permission denied"),
    "a key that wants a passphrase": ({"IdentityFile": "{sshd}/locked"}, "Permission denied"),
    "a closed port": ({"Port": "1"}, "Connection refused"),
    "no such host": ({"HostName": "nowhere.invalid"}, "Could not resolve hostname"),
    "another user": ({"User": "nobody-here"}, "Permission denied"),
}


@pytest.mark.parametrize(("changes", "line"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_one_line_soon_and_asks_nothing(sshd, use, there, root, changes, line):
    use(sshd, **{key: value.format(sshd=sshd) for key, value in changes.items()})
    begin = time.monotonic()
    fetched = fetch(f"sky:{there}", root, NAMES[:1], patience=ONCE)
    assert time.monotonic() - begin < 8
    assert_failed(fetched, root, line)
    assert "\n" not in fetched.problems[NAMES[0]]


def test_a_host_with_a_new_key_is_refused_in_words(sshd, use, there, root, tmp_path):
    place = (sshd / "known_hosts").read_text().split()[0]
    other = " ".join((sshd / "other.pub").read_text().split()[:2])
    (tmp_path / "known").write_text(f"{place} {other}\n")
    use(sshd, UserKnownHostsFile=tmp_path / "known")
    fetched = fetch(f"sky:{there}", root, NAMES[:1], patience=ONCE)
    assert_failed(fetched, root, r"^WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!")


def test_a_connection_that_ends_half_way_leaves_nothing(use, there, root, tmp_path):
    folder = tmp_path / "sshd"
    folder.mkdir()
    (folder / "half").write_text('#!/bin/sh\nsh -c "$SSH_ORIGINAL_COMMAND" | head -c 9000\n')
    (folder / "half").chmod(0o755)
    with places.ssh_server(folder, command=folder / "half"):
        use(folder)
        fetched = fetch(f"sky:{there}", root, NAMES[:1])
    assert_failed(fetched, root, r"\(tries: 2\)")
    assert files(root) == []


def test_the_programs_that_ssh_needs_are_waited_for_no_longer_than_told(sshd, use, there, root):
    use(sshd, ProxyCommand="sleep 30")
    begin = time.monotonic()
    patience = Patience(tries=1, silence=1.0, longest=2.0)
    fetched = fetch(f"sky:{there}", root, NAMES[:1], patience=patience)
    assert time.monotonic() - begin < 8
    assert_failed(fetched, root, ".")
