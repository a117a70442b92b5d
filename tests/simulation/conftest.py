"""Small simulated surveys, made once for all the tests that only look at them."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from realbogus.simulation import simulate


@pytest.fixture(scope="session")
def atlas_survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("atlas") / "survey"
    simulate(
        folder,
        cameras=("02a", "03a"),
        nights=(58310, 58311),
        exposures=4,
        size=512,
        asteroids=25,
        detections=40,
        seed=7,
    )
    return folder


@pytest.fixture(scope="session")
def ps1_survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ps1") / "survey"
    simulate(folder, survey="ps1", nights=(58310,), exposures=1, asteroids=6, garbage=12, seed=7)
    return folder


@pytest.fixture
def atlas_rows(atlas_survey: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(atlas_survey / "survey.db")
    connection.row_factory = sqlite3.Row
    yield connection
    connection.close()


@pytest.fixture
def ps1_rows(ps1_survey: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(ps1_survey / "survey.db")
    connection.row_factory = sqlite3.Row
    yield connection
    connection.close()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)
