"""MySQL 8 and later, where it is installed: its logins, and both selections on it.

Elsewhere, as on Debian, these are not collected; ``test_mysql_login.py`` speaks its login by hand.
"""

import contextlib

import pytest
from sqlalchemy import text

from realbogus.config import load_config
from realbogus.database import Database
from realbogus.errors import DatabaseError
from realbogus.lists import read_list
from realbogus.stages.cut_atlas import cut_atlas
from tests.mariadb import test_accounts, test_selections
from tests.mariadb.server import CAMERAS, NIGHTS, SECRET

RELOAD = "ALTER INSTANCE RELOAD TLS"


@pytest.fixture
def local(mysql, mysql_atlas):
    """Make an account that the server has not seen yet, and so remembers nothing of."""
    return mysql.make_reader("atlas", user="reader")


@contextlib.contextmanager
def by_rsa(server, local):
    """Take TLS from the server, which the driver uses wherever it is offered."""
    server.run("SET GLOBAL tls_version = ''", f"{RELOAD} NO ROLLBACK ON ERROR")
    yield local
    server.run("SET GLOBAL tls_version = DEFAULT", RELOAD)


@contextlib.contextmanager
def by_tls(server, local):
    yield {**local, "ssl_ca": str(server.certificate)}


@contextlib.contextmanager
def by_socket(server, local):
    words = test_accounts.without(local, "hostname", "port")
    yield {**words, "unix_socket": str(server.socket)}


WAYS = {"RSA": by_rsa, "TLS": by_tls, "socket": by_socket}


@pytest.mark.parametrize("way", WAYS)
def test_an_account_logs_in_at_first_and_when_it_is_remembered(mysql, local, tmp_path, way):
    query = "SELECT plugin FROM mysql.user WHERE user = 'reader'"
    assert mysql.run(query) == (("caching_sha2_password",),)
    with WAYS[way](mysql, local) as used:
        for _ in range(2):
            assert test_accounts.ask(tmp_path, used) == "reader@%"
        cipher = test_accounts.ask(tmp_path, used, test_accounts.CIPHER)
    assert way == "socket" or bool(cipher) is (way == "TLS")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("remembered", [False, True])
def test_a_wrong_password_is_one_line_without_it(mysql, local, tmp_path, way, remembered):
    with WAYS[way](mysql, local) as used:
        if remembered:
            test_accounts.ask(tmp_path, used)
        with pytest.raises(DatabaseError, match="Access denied for user 'reader'@") as caught:
            test_accounts.ask(tmp_path, {**used, "password": f"{SECRET}WRONG"})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("camera", CAMERAS)
def test_the_positions_chosen_are_exactly_those_of_the_truth(mysql_atlas, camera):
    test_selections.assert_truth(mysql_atlas, camera)


@pytest.mark.parametrize("camera", ["gpc1", "gpc2"])
def test_pan_starrs_stamps_are_exactly_those_of_the_truth(mysql, mysql_ps1, tmp_path, camera):
    test_selections.assert_truth_ps1(mysql, mysql_ps1, camera, tmp_path)


def test_the_other_selections_are_those_of_mariadb(mysql_atlas):
    assert test_selections.select(mysql_atlas, good_as_real=True)
    drawn = {"bogus_from": "unpromoted", "bogus_per_exposure": 5}
    exposures = test_selections.select(mysql_atlas, **drawn)
    counts = [len([item for item in each.detections if not item.is_real]) for each in exposures]
    assert counts == [5] * 4


def test_a_float_column_keeps_its_pixel(mysql):
    test_selections.assert_full_floats(mysql)


def test_stamps_are_cut(mysql_atlas, tmp_path):
    cut_atlas(mysql_atlas, nights=NIGHTS, location=tmp_path, camera="03a", stamp_threads=1)
    for name in ("good.txt", "bad.txt"):
        rows = read_list(tmp_path / name)
        assert rows and all((tmp_path / row.stamp).is_file() for row in rows)


def test_the_server_is_mysql(mysql_atlas):
    with Database.connect(load_config(mysql_atlas).database) as database:
        ((version,),) = database.rows(text("SELECT VERSION()"))
    assert int(version.split(".")[0]) >= 8 and "MariaDB" not in version
