"""A MariaDB server for the whole run, and both surveys on it; and MySQL where there is one."""

import pytest

from realbogus.simulation import simulate
from tests.mariadb.server import (
    CAMERAS,
    NIGHTS,
    MySQLServer,
    mysql_program,
    running_server,
    use_account,
)

collect_ignore = [] if mysql_program() else ["test_mysql.py"]


@pytest.fixture(scope="session")
def mariadb():
    """Start a private MariaDB server for the whole run."""
    with running_server() as started:
        yield started


@pytest.fixture(scope="session")
def server():
    """Start another server, which tests may kill and lock."""
    with running_server() as started:
        yield started


@pytest.fixture(scope="session")
def mysql():
    """Start a private MySQL server."""
    with running_server(MySQLServer) as started:
        yield started


@pytest.fixture(scope="session")
def atlas(mariadb, tmp_path_factory):
    """Simulate three cameras of ATLAS; give the configuration of an account that only reads."""
    return simulate_atlas(mariadb, tmp_path_factory.mktemp("mariadb") / "atlas")


@pytest.fixture(scope="session")
def ps1(mariadb, tmp_path_factory):
    """Simulate Pan-STARRS; give the configuration of an account that only reads."""
    return simulate_ps1(mariadb, tmp_path_factory.mktemp("mariadb") / "ps1")


@pytest.fixture(scope="session")
def mysql_atlas(mysql, tmp_path_factory):
    """Simulate the same on MySQL."""
    return simulate_atlas(mysql, tmp_path_factory.mktemp("mysql") / "atlas")


@pytest.fixture(scope="session")
def mysql_ps1(mysql, tmp_path_factory):
    """Simulate the same on MySQL."""
    return simulate_ps1(mysql, tmp_path_factory.mktemp("mysql") / "ps1")


def simulate_atlas(server, folder):
    config = simulate(
        folder,
        cameras=CAMERAS,
        nights=NIGHTS,
        exposures=2,
        size=256,
        asteroids=8,
        garbage=60,
        detections=60,
        database=server.make_database("atlas"),
    )
    return use_account(config, server.make_reader("atlas", user="atlas_reader"))


def simulate_ps1(server, folder):
    config = simulate(
        folder,
        survey="ps1",
        exposures=1,
        asteroids=9,
        garbage=10,
        seed=3,
        database=server.make_database("ps1"),
    )
    return use_account(config, server.make_reader("ps1", user="ps1_reader"))
