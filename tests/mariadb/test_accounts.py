"""The ways into a server: port, socket, option file, TLS, and the kinds of passwords."""

import contextlib

import pymysql
import pytest
from sqlalchemy import text

from realbogus.config import load_config, write_config
from realbogus.database import Database
from realbogus.errors import DatabaseError
from tests.mariadb.server import PASSWORD, write_certificate

WHO = text("SELECT CURRENT_USER() AS name")
CIPHER = text("SHOW SESSION STATUS LIKE 'Ssl_cipher'")


def ask(folder, local, query=WHO):
    """Run a query with the account of a configuration; give the last column of its row."""
    path = folder / "config.yaml"
    write_config(path, {"databases": {"local": local}})
    with Database.connect(load_config(path).database) as database:
        (row,) = database.rows(query)
    return row[-1]


@pytest.fixture
def local(mariadb, atlas):
    return mariadb.make_reader("atlas", user="reader")


def without(local, *keys):
    return {key: value for key, value in local.items() if key not in keys}


def test_an_account_reaches_the_server_by_its_port(local, tmp_path):
    assert ask(tmp_path, local) == "reader@%"


def test_an_account_reaches_the_server_by_its_socket(mariadb, local, tmp_path):
    socket = {"unix_socket": str(mariadb.socket)}
    assert ask(tmp_path, {**without(local, "hostname", "port"), **socket}) == "reader@%"


def test_an_account_comes_from_an_option_file(local, tmp_path):
    (tmp_path / "my.cnf").write_text(
        f"[client]\nuser=reader\npassword={PASSWORD}\nhost=127.0.0.1\nport={local['port']}\n"
    )
    assert ask(tmp_path, {"option_file": "my.cnf", "database": "atlas"}) == "reader@%"


def test_an_account_that_asks_for_tls_gets_it(mariadb, local, tmp_path):
    mariadb.run("ALTER USER 'reader'@'%' REQUIRE SSL")
    assert ask(tmp_path, {**local, "ssl_ca": str(mariadb.certificate)}, CIPHER)


def test_a_certificate_of_another_server_is_refused(local, tmp_path):
    other = write_certificate(tmp_path)
    with pytest.raises(DatabaseError, match="certificate verify failed"):
        ask(tmp_path, {**local, "ssl_ca": str(other)})


@pytest.mark.parametrize("plugin", ["mysql_native_password", "ed25519"])
def test_each_kind_of_password_of_the_server_is_known(mariadb, local, tmp_path, plugin):
    if plugin == "ed25519":
        with contextlib.suppress(pymysql.err.OperationalError):  # it is there
            mariadb.run("INSTALL SONAME 'auth_ed25519'")
    mariadb.run(f"ALTER USER 'reader'@'%' IDENTIFIED VIA {plugin} USING PASSWORD('{PASSWORD}')")
    assert ask(tmp_path, local) == "reader@%"
    with pytest.raises(DatabaseError, match="Access denied"):
        ask(tmp_path, {**local, "password": "other"})
