import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath

import pytest

from realbogus.errors import ConfigError, ImageError
from realbogus.fetch import FETCHERS, Patience, fetch_missing
from realbogus.fitsfiles import read_fits
from realbogus.parallel import map_threads
from realbogus.remotes import REMOTE_FORMS, parse_remote
from tests import places
from tests.helpers import ROOT, free_port
from tests.places import NAMES

QUICK = Patience(tries=2, pause=0.02, silence=1.0, longest=10.0)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "diff"


@pytest.fixture
def site(there):
    with places.web_server(there) as server:
        yield server


@pytest.fixture(scope="module")
def daemon(there, tmp_path_factory):
    with places.rsync_server(there, tmp_path_factory.mktemp("daemon")) as address:
        yield address


@pytest.fixture
def ssh(tmp_path, monkeypatch):
    """Put an ``ssh`` first that notes its words and runs the command on this machine."""
    places.require_program("rsync")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ssh").write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/words\n'
        'while [ "$1" != rsync ]; do shift; done\nexec "$@"\n'
    )
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path / "words"


def fetch(address, root, names=NAMES, *, workers=2, patience=QUICK):
    spread = partial(map_threads, workers=workers, label="test")
    remote = parse_remote(str(address), base=root)
    return fetch_missing(names, remote=remote, root=root, spread=spread, patience=patience)


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def assert_all_came(fetched, root, there):
    assert fetched.names == NAMES
    assert not fetched.problems
    assert files(root) == [root / name for name in NAMES]
    for name in NAMES:
        assert (root / name).read_bytes() == (there / name).read_bytes()


def assert_failed(fetched, root, problem, name=NAMES[0]):
    assert re.search(problem, fetched.problems[name]), fetched.problems[name]
    assert name not in fetched.names
    assert files(root) == [root / item for item in fetched.names]


def test_every_form_of_a_place_has_its_fetcher():
    assert FETCHERS.keys() == REMOTE_FORMS.keys()


def test_images_come_from_a_folder(there, root):
    assert_all_came(fetch(there, root), root, there)


def test_images_come_from_a_file_address(there, root):
    assert_all_came(fetch(f"file://{there}", root), root, there)


def test_images_come_from_a_web_server(site, there, root):
    assert_all_came(fetch(site.address, root), root, there)
    assert site.requests == len(NAMES)


def test_images_come_from_an_rsync_daemon(daemon, there, root):
    assert_all_came(fetch(daemon, root), root, there)


def test_images_come_by_ssh_which_may_ask_nothing(ssh, there, root):
    assert_all_came(fetch(f"reader@db1:{there}", root), root, there)
    words = ssh.read_text().splitlines()
    assert len(words) == len(NAMES)
    assert all("-oBatchMode=yes" in line and "-oConnectTimeout=1" in line for line in words)
    assert all("-l reader db1 rsync --server" in line for line in words)


def test_links_there_become_files_here(ssh, there, root):
    name = PurePosixPath("link.diff.fz")
    (there / name).symlink_to(there / NAMES[0])
    try:
        assert fetch(f"db1:{there}", root, [name]).names == [name]
    finally:
        (there / name).unlink()
    assert not (root / name).is_symlink()


def test_what_is_at_hand_is_left_as_it_is_and_not_asked_for(site, root):
    (root / NAMES[0]).parent.mkdir(parents=True)
    (root / NAMES[0]).write_text("mine")
    fetched = fetch(site.address, root)
    assert fetched.names == NAMES[1:]
    assert (root / NAMES[0]).read_text() == "mine"
    assert site.requests == len(NAMES) - 1


def test_nothing_missing_needs_no_server_no_program_and_no_writing(root, there, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert fetch("rsync://127.0.0.1:1/diff", root, []).names == ()
    assert fetch("rsync://127.0.0.1:1/diff", there).names == ()
    assert not root.exists()


@pytest.mark.parametrize(
    ("trouble", "problem"),
    [
        (places.drop_half_way, r"the connection ended after \d+ of \d+ bytes \(tries: 2\)"),
        (places.drop_without_a_length, r"not a readable FITS image .*truncated"),
        (places.send_garbage, "not a readable FITS image"),
        (places.send_truncated, r"not a readable FITS image .*truncated"),
        (places.flip_a_bit, "the data differ from their checksum"),
        (places.say_nothing, "timed out"),
        (500, r"the server answered 500 \(tries: 2\)"),
        (503, "the server answered 503"),
        (429, "the server answered 429"),
    ],
)
def test_a_failure_is_tried_again_and_then_named(site, root, caplog, trouble, problem):
    site.troubles = [trouble, trouble]
    fetched = fetch(site.address, root, NAMES[:2], workers=1)
    assert_failed(fetched, root, problem)
    assert fetched.names == NAMES[1:2]
    assert f"{NAMES[0]}: not fetched: " in caplog.text
    assert site.requests == 3


@pytest.mark.parametrize(
    "trouble", [places.drop_half_way, places.send_garbage, places.send_truncated, 500]
)
def test_the_second_try_may_succeed(site, there, root, trouble):
    site.troubles = [trouble]
    assert_all_came(fetch(site.address, root), root, there)
    assert site.requests == len(NAMES) + 1


@pytest.mark.parametrize("status", [403, 404, 410])
def test_what_the_server_has_not_is_asked_for_once(site, root, status):
    site.troubles = [status]
    assert_failed(fetch(site.address, root, workers=1), root, f"^the server answered {status}$")
    assert site.requests == len(NAMES)


def test_pauses_grow_from_try_to_try(site, root):
    site.troubles = [500] * 4
    begin = time.monotonic()
    fetch(site.address, root, NAMES[:1], patience=replace(QUICK, tries=4, pause=0.1))
    assert 0.7 <= time.monotonic() - begin < 3
    assert site.requests == 4


def test_a_server_that_drips_is_left_when_the_time_is_over(site, root):
    site.troubles = [places.drip]
    patience = replace(QUICK, tries=1, longest=0.3)
    fetched = fetch(site.address, root, NAMES[:1], patience=patience)
    assert_failed(fetched, root, r"not done after 0\.3 s")


@pytest.mark.parametrize("place", ["there", "site", "daemon"])
def test_a_file_beyond_the_limit_is_refused(place, root, request):
    place = request.getfixturevalue(place)
    fetched = fetch(getattr(place, "address", place), root, patience=replace(QUICK, largest=5000))
    assert_failed(fetched, root, r"(more than|at most) 5000 bytes")


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("there", "the folder has no such file"),
        ("site", "the server answered 404"),
        ("daemon", "No such file or directory"),
    ],
)
def test_what_is_nowhere_is_named_and_the_rest_comes(place, problem, root, request):
    place = request.getfixturevalue(place)
    lost = PurePosixPath("02a/58310/02a58310o9999c.diff.fz")
    fetched = fetch(getattr(place, "address", place), root, [lost, *NAMES])
    assert fetched.names == NAMES
    assert_failed(fetched, root, problem, lost)
    assert "tries" not in fetched.problems[lost]


def test_a_damaged_file_from_a_daemon_is_refused(daemon, there, root):
    name = PurePosixPath("damaged.diff.fz")
    (there / name).write_bytes((there / NAMES[0]).read_bytes()[:9000])
    try:
        assert_failed(fetch(daemon, root, [name]), root, "not a readable FITS image", name)
    finally:
        (there / name).unlink()


@pytest.mark.parametrize("scheme", ["http", "rsync"])
def test_no_server_is_one_reason(root, scheme):
    if scheme == "rsync":
        places.require_program("rsync")
    with places.no_proxy():
        fetched = fetch(f"{scheme}://127.0.0.1:{free_port()}/diff", root, NAMES[:1])
    assert_failed(fetched, root, r"Connection refused.*\(tries: 2\)")
    assert "\n" not in fetched.problems[NAMES[0]]


def test_a_daemon_that_says_nothing_is_left(root):
    places.require_program("rsync")
    with places.socket.create_server(("127.0.0.1", 0)) as server:
        address = f"rsync://127.0.0.1:{server.getsockname()[1]}/diff"
        fetched = fetch(address, root, NAMES[:1], patience=replace(QUICK, tries=1))
    assert_failed(fetched, root, "time")


def test_a_dead_server_is_given_up(site, root, caplog):
    site.troubles = [places.fail_slowly] * 100
    fetched = fetch(site.address, root, workers=1, patience=replace(QUICK, tries=1, hopeless=3))
    assert len(fetched.problems) == len(NAMES)
    assert list(fetched.problems.values()).count("not tried") == 3
    assert "3 images failed one after another: trying no more" in caplog.text
    assert site.requests <= 4


def test_missing_files_do_not_make_a_server_count_as_dead(site, root):
    lost = [PurePosixPath(f"{number}.diff.fz") for number in range(5)]
    fetched = fetch(site.address, root, [*lost, *NAMES], patience=replace(QUICK, hopeless=2))
    assert fetched.names == NAMES


@pytest.mark.parametrize("workers", [1, 3])
def test_there_are_no_more_connections_than_threads(site, there, root, workers):
    site.delay = 0.1
    assert_all_came(fetch(site.address, root, workers=workers), root, there)
    assert site.most == workers


def test_an_image_root_that_cannot_be_written_to_is_one_line(there, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        ConfigError, match=r"^images\.remote needs an images\.root to fetch to: .*can't write"
    ):
        fetch(there, tmp_path / "file" / "diff")


@pytest.mark.parametrize(
    ("address", "program"), [("rsync://127.0.0.1/diff", "rsync"), ("db1:/diff", "rsync")]
)
def test_a_missing_program_is_one_line_that_says_what_to_install(
    root, monkeypatch, address, program
):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match=f"needs the program {program}: .*apt-get install"):
        fetch(address, root)
    assert not root.exists()


def test_a_full_disk_ends_the_run_in_one_line(there, root):
    code = (
        "import resource, signal, sys; sys.path.insert(0, '.')\n"
        "from pathlib import Path; from tests import test_fetch\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        f"test_fetch.fetch({str(there)!r}, Path({str(root)!r}))\n"
    )
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    last = ended.stderr.splitlines()[-1]
    assert last.startswith(f"{ImageError.__module__}.ImageError: {root}")
    assert last.endswith("can't write an image (File too large)")
    assert not files(root)


def interrupt_once_started(root, words):
    for _ in range(500):
        if words.exists() or any(root.rglob(".*")):
            break
        time.sleep(0.01)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


@pytest.mark.parametrize("slow", ["web", "ssh"])
def test_an_interrupted_run_ends_soon_and_leaves_nothing(slow, site, ssh, there, root):
    if slow == "ssh":
        (ssh.parent / "bin" / "ssh").write_text(f"#!/bin/sh\necho > {ssh}\nexec sleep 30\n")
    site.troubles = [places.drip] * 10
    address = site.address if slow == "web" else f"db1:{there}"
    threading.Thread(target=interrupt_once_started, args=(root, ssh)).start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        fetch(address, root, patience=Patience())
    assert time.monotonic() - begin < 10
    assert not files(root)


def test_a_killed_run_leaves_nothing_under_a_final_name(site, root):
    site.troubles = [places.drip] * 10
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "from pathlib import Path; from tests import test_fetch\n"
        f"test_fetch.fetch({site.address!r}, Path({str(root)!r}))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as process:
        for _ in range(1000):
            if any(root.rglob(".*")):
                break
            time.sleep(0.02)
        process.kill()
    left = files(root)
    assert left
    assert all(path.name.startswith(".") for path in left)


def test_a_redirect_to_a_file_of_this_machine_is_not_followed(site, there, root):
    def redirect(request):
        request.send_response(302)
        request.send_header("Location", f"file://{there / NAMES[0]}")
        request.end_headers()

    site.troubles = [redirect, redirect]
    assert_failed(fetch(site.address, root, NAMES[:1]), root, "302|unknown url type|not allowed")


def test_nothing_of_a_hostile_message_but_text_is_shown(tmp_path, monkeypatch, root):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "rsync").write_text("#!/bin/sh\nprintf '\\033[31mboo\\n' >&2\nexit 5\n")
    (folder / "rsync").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    fetched = fetch("rsync://127.0.0.1/diff", root, NAMES[:1])
    assert fetched.problems[NAMES[0]] == "[31mboo (tries: 2)"


def test_fetched_images_are_read(there, root):
    fetch(there, root, NAMES[:1])
    assert read_fits(root / NAMES[0]).pixels.shape == (120, 100)
