"""A MariaDB server for the whole run, and both surveys on it."""

import pytest

from realbogus.simulation import simulate
from tests.mariadb.server import CAMERAS, NIGHTS, running_server, use_account


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
def atlas(mariadb, tmp_path_factory):
    """Simulate three cameras of ATLAS; give the configuration of an account that only reads."""
    config = simulate(
        tmp_path_factory.mktemp("mariadb") / "atlas",
        cameras=CAMERAS,
        nights=NIGHTS,
        exposures=2,
        size=256,
        asteroids=8,
        garbage=60,
        detections=60,
        database=mariadb.make_database("atlas"),
    )
    return use_account(config, mariadb.make_reader("atlas", user="atlas_reader"))


@pytest.fixture(scope="session")
def ps1(mariadb, tmp_path_factory):
    """Simulate Pan-STARRS; give the configuration of an account that only reads."""
    config = simulate(
        tmp_path_factory.mktemp("mariadb") / "ps1",
        survey="ps1",
        exposures=1,
        asteroids=9,
        garbage=10,
        seed=3,
        database=mariadb.make_database("ps1"),
    )
    return use_account(config, mariadb.make_reader("ps1", user="ps1_reader"))
