"""Places to fetch images from: servers of this machine, on its loopback address only."""

import contextlib
import os
import socket
import subprocess
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from astropy.io import fits

from tests.helpers import free_port, program

NAMES = [PurePosixPath(f"02a/58310/02a58310o{number:04d}c.diff.fz") for number in range(6)]
"""The images that another machine has."""


def write_image(path, seed=0):
    pixels = np.random.default_rng(seed).normal(0, 30, (120, 100)).astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = fits.CompImageHDU(pixels, compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), packed]).writeto(path, checksum=True)


def require_program(name, package=None):
    """Skip a test that needs a program; in continuous integration its absence is a failure."""
    if program(name) is None:
        message = f"{name} is not installed: apt-get install {package or name}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)


@contextlib.contextmanager
def no_proxy():
    """Reach this machine itself, whatever the environment says of proxies."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "127.0.0.1")
        patch.delenv("RSYNC_PROXY", raising=False)
        yield


class Site(SimpleHTTPRequestHandler):
    """Serve a folder, but treat the first requests as ``server.troubles`` says."""

    def do_GET(self):
        with self.server.counted():
            trouble = self.server.next_trouble()
            if trouble is None:
                time.sleep(self.server.delay)
                super().do_GET()
            elif isinstance(trouble, int):
                self.send_error(trouble)
            else:
                trouble(self)

    def log_message(self, *_):
        pass

    def content(self):
        with open(self.translate_path(self.path), "rb") as file:  # noqa: PTH123
            return file.read()

    def send(self, content, length=None):
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()


def drop_half_way(site):
    content = site.content()
    site.send(content[: len(content) // 2], len(content))


def drop_without_a_length(site):
    content = site.content()
    site.send(content[: len(content) // 2])


def send_garbage(site):
    site.send(b"<html>please log in</html>" * 500, 26 * 500)


def send_truncated(site):
    content = site.content()[:8000]
    site.send(content, len(content))


def flip_a_bit(site):
    content = bytearray(site.content())
    content[-3000] ^= 1
    site.send(bytes(content), len(content))


def say_nothing(site):
    site.server.released.wait(20)


def fail_slowly(site):
    time.sleep(0.3)
    site.send_error(500)


def drip(site):
    site.send(b"", 10**6)
    with contextlib.suppress(OSError):
        for _ in range(400):
            site.wfile.write(b" ")
            site.wfile.flush()
            if site.server.released.wait(0.05):
                return


class Web(ThreadingHTTPServer):
    """A web server that counts its connections."""

    daemon_threads = True

    def __init__(self, folder):
        self.troubles, self.requests, self.delay = [], 0, 0.0
        self.busy, self.most = 0, 0
        self.released = threading.Event()
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), lambda *words: Site(*words, directory=folder))

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    def next_trouble(self):
        with self.lock:
            self.requests += 1
            return self.troubles.pop(0) if self.troubles else None

    @contextlib.contextmanager
    def counted(self):
        with self.lock:
            self.busy += 1
            self.most = max(self.most, self.busy)
        try:
            yield
        finally:
            with self.lock:
                self.busy -= 1

    def handle_error(self, request, client_address):
        """Say nothing of clients that hang up."""


@contextlib.contextmanager
def web_server(folder):
    server = Web(folder)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        with no_proxy():
            yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def rsync_server(folder, scratch):
    """Run an rsync daemon with the module ``diff``; give its address."""
    require_program("rsync")
    port = free_port()
    config = scratch / "rsyncd.conf"
    config.write_text(
        f"address = 127.0.0.1\nport = {port}\nuse chroot = no\nlog file = {scratch}/rsyncd.log\n"
        f"pid file = {scratch}/rsyncd.pid\n"
        f"[diff]\npath = {folder}\nread only = yes\n"
        + (f"uid = {os.getuid()}\ngid = {os.getgid()}\n" if os.getuid() == 0 else "")
    )
    command = ["rsync", "--daemon", "--no-detach", f"--config={config}"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as daemon:
        try:
            _wait_for(port)
            with no_proxy():
                yield f"rsync://127.0.0.1:{port}/diff"
        finally:
            daemon.terminate()
            daemon.wait(10)


@contextlib.contextmanager
def ssh_server(folder, *, command=None):
    """Run sshd for one key and this user; give the folder of its files and the client's.

    ``client`` is the key that may log in, ``other`` and ``locked`` (by a passphrase) are not; the
    host ``sky`` of ``config`` is this server, and ``known_hosts`` has its key. With ``command`` the
    server runs that instead of what the client asks for.
    """
    require_program("sshd", "openssh-server")
    require_program("ssh", "openssh-client")
    require_program("rsync")
    port = free_port()
    for name, passphrase in (("host", ""), ("client", ""), ("other", ""), ("locked", "secret")):
        words = ("-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", folder / name)
        subprocess.run([program("ssh-keygen"), *words], check=True)
    (folder / "authorized").write_text((folder / "client.pub").read_text())
    known = " ".join((folder / "host.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {known}\n")
    (folder / "config").write_text(
        f"Host sky\nHostName 127.0.0.1\nPort {port}\nIdentityFile {folder}/client\n"
        f"IdentitiesOnly yes\nUserKnownHostsFile {folder}/known_hosts\n"
        "GlobalKnownHostsFile /dev/null\n"
    )
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin yes\nPasswordAuthentication yes\n"
        + (f"ForceCommand {command}\n" if command else "")
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd locks itself up; services make it
    words = ["-D", "-f", folder / "sshd_config", "-E", folder / "log"]
    with subprocess.Popen([program("sshd"), *words], stdin=subprocess.DEVNULL) as daemon:
        try:
            _wait_for(port)
            yield folder
        finally:
            daemon.terminate()
            daemon.wait(10)


def _wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the server does not answer")
