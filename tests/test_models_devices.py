"""Batches shared among devices give the network that one device gives."""

import pytest

from realbogus.models.devices import shared_batch
from tests.helpers import ROOT
from tests.warm import run_warm

SHARE = """
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

processor = tf.config.list_physical_devices("CPU")[0]
halves = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(processor, halves)
names = [device.name for device in tf.config.list_logical_devices("CPU")]
assert len(names) == 2

import realbogus.models.training
from realbogus.models.devices import sharing
from realbogus.models.files import read_model_recipe
from realbogus.models.prediction import predict
from realbogus.models.storage import load_model, save_model
from realbogus.models.training import train
from tests.helpers import make_recipe
from tests.test_models_training import PART, VALIDATION, plan

own = Path(sys.argv[1]) / "own.py"
own.write_text('''
from realbogus.models.backend import keras, layers

def plain(side):
    stack = [keras.Input((side, side, 1)), layers.Conv2D(4, 3, activation="relu")]
    return keras.Sequential([*stack, layers.Flatten(), layers.Dense(2, "softmax")])
''')

realbogus.models.training._VALIDATION_BATCH = 33
validation = VALIDATION.select(np.arange(65))
name, files, losses = f"{own}:plain", [], []
# In batches of 50, a single one of 201 stamps would be left, which two devices can't share.
for devices, stamps in ((None, 200), (names, 200), (names, 201)):
    part = PART.select(np.arange(stamps))
    trained = train(plan(name, batch=50), part, validation, devices=devices)
    losses.append([row["val_loss"] for row in trained.history])
    files.append(Path(sys.argv[1]) / f"model{len(files)}.h5")
    save_model(files[-1], trained.model, make_recipe("train", model=name, e=5))
with sharing(names):
    assert tf.distribute.get_strategy().num_replicas_in_sync == 2
one, two, more = (
    predict(load_model(path, read_model_recipe(path), side=10, own=name), PART.stamps)
    for path in files
)
assert one.std() > 0.05
np.testing.assert_allclose(two, one, rtol=0, atol=1e-4)
np.testing.assert_allclose(losses[1], losses[0], rtol=0, atol=1e-4)
np.testing.assert_allclose(losses[2], losses[0], rtol=0, atol=0.05)
print("the same")
"""


def test_two_devices_give_the_network_of_one(tmp_path):
    done = run_warm("-c", SHARE, tmp_path, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split("\n")[-2] == "the same"


@pytest.mark.parametrize("devices", [2, 3, 8])
@pytest.mark.parametrize("batch", [1, 8, 50, 512])
@pytest.mark.parametrize("stamps", [16, 201, 1000, 48_792])
def test_every_device_has_a_share_of_every_batch(devices, batch, stamps):
    size = shared_batch(batch, stamps, devices)
    assert size % devices == 0
    assert size <= max(batch, 4 * devices)
    assert stamps % size == 0 or stamps % size >= devices
    assert size > 0.8 * batch - devices or stamps < 2 * batch


def test_a_single_device_has_the_batch_that_is_asked_for():
    assert [shared_batch(50, stamps, 1) for stamps in (7, 51)] == [50, 50]


def test_without_several_devices_nothing_is_shared():
    import tensorflow as tf

    from realbogus.models.devices import sharing

    for devices in ((), ["CPU:0"]):
        with sharing(devices):
            assert not tf.distribute.has_strategy()
