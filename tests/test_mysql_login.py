"""The login of MySQL 8 (``caching_sha2_password``), as our settings do it through PyMySQL."""

import socket
import threading

import pytest
from sqlalchemy import text

from realbogus.config import load_config, write_config
from realbogus.database import Database
from realbogus.errors import DatabaseError
from tests.helpers import ROOT
from tests.mariadb.server import PASSWORD, SECRET, assert_one_line, write_certificate
from tests.mysql_server import mysql_login
from tests.warm import run_warm


@pytest.fixture
def server():
    """Start a server that knows no TLS."""
    with mysql_login("reader", PASSWORD) as started:
        yield started


@pytest.fixture
def tls_server(tmp_path):
    """Start a server with a certificate."""
    with mysql_login("reader", PASSWORD, write_certificate(tmp_path)) as started:
        yield started


@pytest.fixture
def config(server, tmp_path):
    return write(tmp_path, server)


def write(folder, server, **changes):
    local = {"username": "reader", "password": PASSWORD, "hostname": "127.0.0.1"}
    local |= {"port": server and server.port, "database": "atlas4"}
    write_config(folder / "config.yaml", {"databases": {"local": {**local, **changes}}})
    return folder / "config.yaml"


def ask(config):
    with Database.connect(load_config(config).database) as database:
        ((answer,),) = database.rows(text("SELECT VERSION()"))
    return answer


def test_the_whole_login_is_by_rsa_and_the_next_one_by_what_the_server_remembers(server, config):
    assert [ask(config), ask(config)] == ["8.4.0", "8.4.0"]
    assert server.ways == ["RSA", "remembered"]


def test_the_whole_login_within_tls_needs_no_key(tls_server, tmp_path):
    config = write(tmp_path, tls_server, ssl_ca=str(tmp_path / "certificate.pem"))
    assert [ask(config), ask(config)] == ["8.4.0", "8.4.0"]
    assert tls_server.ways == ["TLS", "remembered"]


def test_tls_that_was_asked_for_and_is_not_there_is_refused(server, tmp_path):
    config = write(tmp_path, server, ssl_ca=str(write_certificate(tmp_path)))
    with pytest.raises(DatabaseError, match=r"^database 127\.0\.0\.1/atlas4: "):
        ask(config)
    assert server.ways == []


@pytest.mark.parametrize("kind", ["server", "tls_server"])
@pytest.mark.parametrize("remembered", [False, True])
def test_a_wrong_password_is_one_line_without_it(kind, remembered, tmp_path, request):
    server = request.getfixturevalue(kind)
    if remembered:
        ask(write(tmp_path, server))
    config = write(tmp_path, server, password=f"{SECRET}WRONG")
    script = ROOT / "getATLASTrainingSetCutouts.py"
    words = (config, 58310, "--stampLocation=out", "--verbose")
    done = run_warm(script, *words, cwd=tmp_path)
    assert_one_line(done, "database 127.0.0.1/atlas4: ", "Access denied for user 'reader'@")
    assert len(done.stderr.splitlines()) == 1
    assert len(server.ways) == remembered


def test_a_key_that_is_none_is_one_line(server, config):
    server.public_key = b"-----BEGIN PUBLIC KEY-----\nnone\n"
    with pytest.raises(DatabaseError, match=r"^database 127\.0\.0\.1/atlas4: "):
        ask(config)
    assert server.ways == []


GREETINGS = {
    "another program": b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n",
    "a web server": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    "nothing": b"",
    "an empty greeting": b"\0\0\0\0",
    "an old protocol": b"\x02\0\0\0\x09\0",
    "a greeting cut short": b"\x0b\0\0\0\x0a8.4.0\0\x01\0\0\0",
}


@pytest.mark.parametrize("greeting", GREETINGS.values(), ids=GREETINGS)
def test_what_is_no_mysql_server_is_one_line(tmp_path, greeting):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(greeting)

        thread = threading.Thread(target=serve)
        thread.start()
        config = write(tmp_path, None, port=listener.getsockname()[1])
        with pytest.raises(DatabaseError, match=r"^database 127\.0\.0\.1/atlas4: .+") as caught:
            ask(config)
        thread.join()
    assert "\n" not in str(caught.value) and SECRET not in str(caught.value)
