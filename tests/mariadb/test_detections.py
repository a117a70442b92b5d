"""Detections of whole nights out of a real server: the same scores, and nothing half-written."""

import pyarrow.parquet
import pytest

from realbogus.counts import counts_path
from realbogus.database import connection
from realbogus.errors import DatabaseBusyError
from realbogus.simulation import simulate
from realbogus.stages import detections as stage
from realbogus.stages.detections import score_detections
from tests.helpers import ROOT, save_untrained
from tests.mariadb.server import PASSWORD, assert_one_line, use_account
from tests.warm import run_warm

NIGHTS = (58310, 58311)
SKY = {"nights": NIGHTS, "exposures": 2, "size": 256, "asteroids": 8, "garbage": 60}
SCRIPT = ROOT / "runKerasTensorflowClassifier.py"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_untrained(tmp_path_factory.mktemp("model") / "model.h5")


@pytest.fixture(scope="module")
def survey(server, tmp_path_factory):
    """Simulate ATLAS on the server that may be killed; give the configuration of a reader."""
    folder = tmp_path_factory.mktemp("detections") / "survey"
    config = simulate(folder, **SKY, database=server.make_database("detections"))
    local = server.make_reader("detections", user="detections_reader")
    return use_account(config, {**local, "timeout": 1})


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory):
    """Score the same survey out of SQLite."""
    folder = tmp_path_factory.mktemp("sqlite")
    simulate(folder / "survey", **SKY)
    return score(folder / "survey" / "config.yaml", folder / "whole.parquet", model)


def score(config, output, model):
    score_detections(NIGHTS, output=output, config_file=config, classifiers=[str(model)], workers=1)
    return pyarrow.parquet.read_table(output)


def kill_at(server, number, monkeypatch):
    """Kill the server when so many exposures have been read."""
    calls = []

    def read(*words):
        calls.append(words)
        if len(calls) == number:
            server.kill()
        return read_positions(*words)

    read_positions = stage.read_positions
    monkeypatch.setattr(stage, "read_positions", read)
    monkeypatch.setattr(connection, "DELAYS", (0.1,))


def test_a_server_gives_the_same_table_as_a_file(survey, whole, model, tmp_path):
    table = score(survey, tmp_path / "d.parquet", model)
    assert table.num_rows > 200
    assert table.equals(whole)


def test_a_server_lost_between_nights_keeps_the_first_and_the_next_run_does_the_rest(
    server, survey, whole, model, tmp_path, monkeypatch, caplog
):
    output = tmp_path / "d.parquet"
    with monkeypatch.context() as patch:
        kill_at(server, 4, patch)
        with pytest.raises(DatabaseBusyError, match=r"^database 127.0.0.1/detections: "):
            score(survey, output, model)
    server.start()
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == [
        "d.nights",
        "d.nights/58310.parquet",
    ]
    caplog.set_level("INFO", "realbogus")
    assert score(survey, output, model).equals(whole)
    assert "night 58310 was finished before" in caplog.text
    assert sorted(tmp_path.iterdir()) == [counts_path(output), output]


def test_a_server_that_is_down_is_one_line_and_nothing_is_written(server, survey, model, tmp_path):
    server.kill()
    words = [f"--configFile={survey}", f"--classifier={model}", "--detections=58310-58311"]
    done = run_warm(SCRIPT, *words, "--outputparquet=d.parquet", cwd=tmp_path)
    server.start()
    assert_one_line(done, "database 127.0.0.1/detections: ", "Can't connect to MySQL server")
    assert PASSWORD not in done.stderr
    assert list(tmp_path.iterdir()) == []
