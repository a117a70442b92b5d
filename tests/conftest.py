"""Fixtures that every test may use."""

import logging
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from realbogus.simulation import simulate
from realbogus.stages.build import build_dataset
from realbogus.stages.cut_atlas import cut_atlas
from tests.helpers import free_port
from tests.places import NAMES, write_image

NIGHTS = (58310, 58311)

# A slow machine is not a fault; and the same examples everywhere, so that a failure comes back.
settings.register_profile(
    "psat-ml",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("psat-ml")


# A shell starts its background jobs deaf to interrupts, and so would be what the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config, items):
    """Leave the long simulations to ``pytest -m long``."""
    if not config.option.markexpr:
        chosen = [item for item in items if item.get_closest_marker("long") is None]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


@pytest.fixture
def same_log():
    """Leave the log as it was, whatever a script makes of it."""
    log = logging.getLogger("realbogus")
    handlers, propagate, level = log.handlers, log.propagate, log.level
    yield
    log.handlers, log.propagate = handlers, propagate
    log.setLevel(level)


@pytest.fixture(scope="session")
def survey(tmp_path_factory):
    """Make a small simulated survey: two nights of three exposures; give its config.yaml."""
    folder = tmp_path_factory.mktemp("sky") / "survey"
    simulate(
        folder,
        nights=NIGHTS,
        exposures=3,
        size=512,
        asteroids=15,
        garbage=60,
        detections=20,
    )
    return folder / "config.yaml"


@pytest.fixture(scope="session")
def training(survey, tmp_path_factory):
    """Cut the stamps of the survey; give the folder of good.txt and bad.txt."""
    location = tmp_path_factory.mktemp("training")
    cut_atlas(survey, nights=NIGHTS, location=location, stamp_threads=1)
    return location


@pytest.fixture(scope="session")
def dataset(training, tmp_path_factory):
    """Build a data set of the stamps; give its file."""
    output = tmp_path_factory.mktemp("dataset") / "dataset.h5"
    build_dataset(training / "good.txt", training / "bad.txt", output)
    return output


@pytest.fixture(scope="session")
def trained(dataset, tmp_path_factory):
    """Train for two epochs; give the folder of model.h5 and scores.csv."""
    from realbogus.stages.train import train_classifier

    folder = tmp_path_factory.mktemp("trained")
    train_classifier(
        dataset, classifier=folder / "model.h5", output_csv=folder / "scores.csv", epochs=2
    )
    return folder


@pytest.fixture(scope="session")
def there(tmp_path_factory):
    """Make a folder with images, as another machine has them."""
    folder = tmp_path_factory.mktemp("there")
    for seed, name in enumerate(NAMES):
        write_image(folder / name, seed)
    return folder


@pytest.fixture
def luigid(tmp_path):
    """Start a central scheduler; give its URL."""
    port = free_port()
    command = [Path(sys.executable).parent / "luigid", "--address=127.0.0.1", f"--port={port}"]
    # A task that was done may be asked for again at once, and not only ten seconds later.
    (tmp_path / "luigi.cfg").write_text("[scheduler]\nstable_done_cooldown_secs = 0\n")
    state = f"--state-path={tmp_path / 'state.pickle'}"
    with (tmp_path / "luigid.log").open("w") as log:
        process = subprocess.Popen([*command, state], stdout=log, stderr=log, cwd=tmp_path)
        url = f"http://127.0.0.1:{port}"
        wait_for(url)
        yield url
        process.terminate()
        process.wait(timeout=20)


def wait_for(url):
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"{url}/api/task_list", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail("luigid did not start")
