"""A private MariaDB or MySQL server: its own data folder, socket and port, and nobody else's."""

import getpass
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path

import pymysql
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from realbogus.config import write_config
from tests.helpers import free_port, program

NIGHTS = (60900, 60901)
CAMERAS = ("02a", "03a", "05r")
"""Of the survey in the database that all may read."""

MYSQL_ADVICE = "no MySQL server: on Ubuntu  apt-get install mysql-server,  or name one in MYSQLD"
ADVICE = "no MariaDB server: ask an administrator to run  apt-get install mariadb-server"
PASSWORD = "Tr0ub4dor&3"
"""Of every account that tests make; nothing that is written or said may contain it."""
SECRET = PASSWORD[:9]
"""Without the characters that a URL would write in another way."""

_OPTIONS = (
    "--bind-address=127.0.0.1",
    "--skip-log-bin",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=256M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-doublewrite=0",
    "--innodb-lock-wait-timeout=2",
    "--key-buffer-size=8M",
    "--max-connections=30",
)
_SECONDS = 60


def require_server():
    """Skip the test without a server; where continuous integration runs, fail."""
    if program("mariadbd", "mysqld") and program("mariadb-install-db", "mysql_install_db"):
        return
    if os.environ.get("CI"):
        pytest.fail(ADVICE)
    pytest.skip(ADVICE)


class Server:
    """A MariaDB server that a test may fill, stop, kill and start again."""

    _options = ("--innodb-log-file-size=64M",)

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="psat-mariadb-"))
        self.data = self.folder / "data"
        self.socket = self.folder / "socket"
        self.port = free_port()
        self._user = "mysql" if os.geteuid() == 0 else getpass.getuser()
        self._process = None
        if os.geteuid() == 0:
            shutil.chown(self.folder, self._user)
        self.certificate = write_certificate(self.folder)
        self._install()

    def _install(self):
        self._call(
            program("mariadb-install-db", "mysql_install_db"),
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )

    def _call(self, command, *words):
        words = [command, "--no-defaults", f"--datadir={self.data}", f"--user={self._user}", *words]
        done = subprocess.run(words, capture_output=True, text=True, cwd=self.folder)
        assert done.returncode == 0, done.stdout + done.stderr

    def _program(self):
        return program("mariadbd", "mysqld")

    def start(self):
        """Start the server, and wait until it answers."""
        command = [
            self._program(),
            "--no-defaults",
            f"--datadir={self.data}",
            f"--user={self._user}",
            f"--socket={self.socket}",
            f"--port={self.port}",
            f"--pid-file={self.folder / 'pid'}",
            f"--log-error={self.folder / 'log'}",
            f"--ssl-cert={self.certificate}",
            f"--ssl-key={self.folder / 'key.pem'}",
            *_OPTIONS,
            *self._options,
        ]
        self._process = subprocess.Popen(command, cwd=self.folder, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)
        # One that still recovers from a kill listens already, but would not hear that it is to end.
        self.run("SELECT 1")
        return self

    def _answers(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def kill(self):
        """End the server as a power cut does."""
        self._process.kill()
        self._process.wait()

    def remove(self):
        """Stop the server and remove its folder."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=_SECONDS)
        shutil.rmtree(self.folder)

    def connect(self, database=None):
        """Open a connection of the server's owner."""
        return closing(
            pymysql.connect(
                unix_socket=str(self.socket), user="root", database=database, autocommit=True
            )
        )

    def run(self, *statements, database=None):
        """Run statements as the server's owner; give the rows of the last."""
        with self.connect(database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    @contextmanager
    def locked(self, table, *, database):
        """Hold a lock that reading has to wait for."""
        with self.connect(database) as holder, holder.cursor() as cursor:
            cursor.execute(f"LOCK TABLES {table} WRITE")
            yield

    def make_database(self, name):
        """Make an empty database; give the URL by which its owner fills it."""
        self.run(f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
        return f"mysql+pymysql://root@127.0.0.1:{self.port}/{name}"

    def make_reader(self, database, *, rights="SELECT", user="reader"):
        """Make an account with some rights on a database; give the block that names it."""
        self.run(
            f"DROP USER IF EXISTS '{user}'@'%'",
            f"CREATE USER '{user}'@'%' IDENTIFIED BY '{PASSWORD}'",
            f"GRANT {rights} ON {database}.* TO '{user}'@'%'",
        )
        return {
            "username": user,
            "password": PASSWORD,
            "hostname": "127.0.0.1",
            "port": self.port,
            "database": database,
        }


class MySQLServer(Server):
    """A MySQL server, whose accounts log in by ``caching_sha2_password``."""

    _options = ("--mysqlx=OFF", "--secure-file-priv=NULL")

    def _install(self):
        assert mysql_program(), MYSQL_ADVICE
        self._call(self._program(), "--initialize-insecure")

    def _program(self):
        return mysql_program()


@cache
def mysql_program():
    """Find MySQL's own server, of version 8 or later; None if there is none.

    Debian has no such package, but Ubuntu. The variable ``MYSQLD`` names one that is elsewhere.
    """
    found = os.environ.get("MYSQLD") or program("mysqld")
    if found is None:
        return None
    said = subprocess.run([found, "--no-defaults", "--version"], capture_output=True, text=True)
    version = re.search(r"Ver (\d+)\.", said.stdout)
    is_mysql = "MariaDB" not in said.stdout and version is not None
    return found if is_mysql and int(version[1]) >= 8 else None


def assert_one_line(done, *parts):
    """Assert that a script failed, and said so in one line with these parts and no secret."""
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 1, done.stderr
    assert len([line for line in lines if line.startswith("ERROR: ")]) == 1, done.stderr
    assert not [line for line in lines if not line.startswith(("ERROR: ", "WARNING: "))]
    assert SECRET not in done.stderr + done.stdout
    for part in parts:
        assert part in lines[-1]


def write_certificate(folder):
    """Make a certificate of 127.0.0.1 that vouches for itself, and its key; give its file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(private)
    path = folder / "certificate.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    return path


@contextmanager
def running_server(kind=Server):
    """Start a private server, and remove it with its data in the end."""
    if kind is Server:
        require_server()
    server = kind()
    try:
        yield server.start()
    finally:
        server.remove()


def use_account(config, local):
    """Let a configuration name an account instead of a URL."""
    write_config(config, {**yaml.safe_load(config.read_text()), "databases": {"local": local}})
    return config
