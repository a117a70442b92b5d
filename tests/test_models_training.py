import itertools
import json

import numpy as np
import pytest

from realbogus.dataset import Part, StoredStamps, read_part, write_dataset
from realbogus.errors import DatasetError
from realbogus.metrics import area_under, rates
from realbogus.models.checkpoint import checkpoint_path, read_progress, write_history
from realbogus.models.feed import Feed
from realbogus.models.optimiser import make_optimiser
from realbogus.models.prediction import predict
from realbogus.models.schemes import SCHEMES
from realbogus.models.training import Plan, train
from tests.helpers import make_recipe


def make_part(n=256, side=10, seed=0):
    rng = np.random.default_rng(seed)
    targets = np.arange(n, dtype=np.int8) % 2
    stamps = rng.normal(0, 1, (n, side, side)).astype(np.float32)
    stamps[targets == 1, side // 2, side // 2] += 2
    names = np.arange(n).astype(str)
    return Part(stamps, targets, names, names, np.zeros(n))


PART, VALIDATION = make_part(), make_part(seed=1)


def plan(model="psat", scheme="cycle", epochs=4, batch=32, seed=0, **more):
    return Plan(model, scheme, epochs, batch, seed, **more)


class StoppedError(Exception):
    pass


def stop_after(epochs):
    """Let a training end as if it were killed once the progress of an epoch is kept."""

    def stop(history):
        if len(history) == epochs:
            raise StoppedError

    return stop


@pytest.mark.parametrize(
    ("model", "scheme"), [*zip(itertools.cycle(["psat", "d4psf"]), SCHEMES, strict=False)]
)
def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(model, scheme, tmp_path):
    asked = plan(model, scheme)
    whole = train(asked, PART, VALIDATION)
    path = tmp_path / "progress.npz"
    with pytest.raises(StoppedError):
        train(asked, PART, VALIDATION, key="k", checkpoint=path, on_epoch=stop_after(2))
    assert len(read_progress(path, "k").history) == 2
    again = train(asked, PART, VALIDATION, key="k", checkpoint=path)
    assert [sorted(row) for row in again.history] == [sorted(row) for row in whole.history]
    for row, other in zip(again.history, whole.history, strict=True):
        assert row["loss"] == pytest.approx(other["loss"], rel=1e-4)
    np.testing.assert_allclose(
        predict(again.model, PART.stamps), predict(whole.model, PART.stamps), atol=1e-4
    )


@pytest.fixture(scope="module")
def progress(tmp_path_factory):
    """Train for an epoch; give the file of the progress."""
    path = tmp_path_factory.mktemp("progress") / "progress.npz"
    train(plan(epochs=1), PART, VALIDATION, checkpoint=path, key="one")
    return path


def test_the_progress_of_another_training_is_not_taken_up(progress):
    assert read_progress(progress, "another") is None
    assert read_progress(progress, "one").best_epoch == 1


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no", b"\x93NUMPY"])
def test_damaged_progress_is_not_taken_up(tmp_path, content):
    path = tmp_path / "progress.npz"
    path.write_bytes(content)
    assert read_progress(path, "one") is None


def test_progress_holds_no_pickles(tmp_path):
    path = tmp_path / "progress.npz"
    np.savez(path, state=np.array([{"key": "one"}], dtype=object))
    assert read_progress(path, "one") is None


def test_the_hidden_file_is_beside_the_classifier(tmp_path):
    assert checkpoint_path(tmp_path / "m.h5") == tmp_path / ".m.h5.training.npz"


def test_patience_ends_a_training_that_gets_no_better():
    rng = np.random.default_rng(0)
    targets = rng.permutation(VALIDATION.targets)
    noise = Part(VALIDATION.stamps, targets, VALIDATION.names, VALIDATION.objects, VALIDATION.mag)
    trained = train(plan(scheme="plain", epochs=30, patience=2), PART, noise)
    assert trained.best_epoch + 2 == len(trained.history) < 30


def test_a_start_from_weights_begins_where_they_ended():
    first = train(plan(scheme="plain", epochs=8), PART, VALIDATION)
    weights = first.model.get_weights()
    again = train(plan(epochs=1, rate=1e-6), PART, VALIDATION, start=weights)
    losses = [row["val_loss"] for row in first.history]
    assert again.history[0]["val_loss"] == pytest.approx(min(losses), abs=0.01)
    assert losses[0] > again.history[0]["val_loss"] + 0.05


def test_logs_for_tensorboard_are_written_on_request(tmp_path):
    train(plan(epochs=1), PART, VALIDATION, tensorboard=tmp_path / "logs")
    assert list((tmp_path / "logs").rglob("events.out.tfevents.*"))


def test_every_epoch_has_all_stamps_in_another_order():
    feed = Feed(PART, batch=100, seed=0)
    epochs = []
    for _ in range(2):
        stamps = [feed[i][0] for i in range(len(feed))]
        epochs.append(np.concatenate(stamps)[..., 0])
        feed.on_epoch_end()
    assert [len(batch) for batch in stamps] == [100, 100, 56]
    assert not np.array_equal(*epochs)
    for stamps in epochs:
        assert sorted(stamps[:, 0, 0]) == sorted(PART.stamps[:, 0, 0])


def test_targets_stay_with_their_stamps():
    feed = Feed(PART, batch=len(PART.targets), seed=3)
    stamps, targets = feed[0]
    known = {
        stamp.tobytes(): target for stamp, target in zip(PART.stamps, PART.targets, strict=True)
    }
    assert [known[stamp.tobytes()] for stamp in stamps[..., 0]] == targets[:, 1].tolist()


def test_the_rate_of_a_cycle_rises_then_falls_to_nothing():
    scheme = SCHEMES["cycle"]
    optimiser = make_optimiser(scheme, steps=100, rate=0.01)
    schedule = optimiser._learning_rate
    rates = np.array([float(schedule(step)) for step in range(100)])
    top = int(np.argmax(rates))
    assert top == pytest.approx(100 * scheme.warm, abs=1)
    assert rates.max() == pytest.approx(0.01, rel=0.05)
    assert (np.diff(rates[:top]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert rates[-1] < 1e-5


def test_a_small_training_part_gets_more_steps_and_a_large_one_the_scheme_itself():
    cycle = SCHEMES["cycle"]
    assert cycle.fit_to(1_000_000) == (cycle.epochs, cycle.batch)
    epochs, batch = cycle.fit_to(500)
    assert epochs * (500 // batch) >= cycle.steps * 0.9
    assert batch == 32
    assert SCHEMES["long"].fit_to(500) == (epochs, batch)
    assert SCHEMES["long"].fit_to(1_000_000) == (2 * cycle.epochs, cycle.batch)
    assert SCHEMES["plain"].fit_to(500) == (20, 128)


def test_the_rate_of_a_cycle_goes_with_the_batch_and_that_of_adam_does_not():
    cycle = SCHEMES["cycle"]
    assert cycle.rate_at(cycle.batch // 4) == pytest.approx(cycle.rate / 2)
    assert cycle.rate_at(4 * cycle.batch) == cycle.rate
    assert SCHEMES["plain"].rate_at(7) == SCHEMES["plain"].rate


def test_the_history_is_a_table_of_the_epochs(tmp_path):
    write_history(
        tmp_path / "h.csv", [{"loss": 0.5, "val_loss": 1 / 3}, {"loss": 0, "val_loss": 7}]
    )
    assert (tmp_path / "h.csv").read_text().splitlines() == [
        "epoch,loss,val_loss",
        "1,0.5,0.3333333",
        "2,0,7",
    ]


def test_progress_is_text_and_numbers(progress):
    with np.load(progress, allow_pickle=False) as content:
        assert json.loads(str(content["state"]))["key"] == "one"
        assert {content[name].dtype.kind for name in content.files} <= {"U", "f", "i", "u"}


@pytest.fixture
def stored(tmp_path):
    """Write a data set; give its training part in memory, and with the pixels in the file."""
    rng = np.random.default_rng(0)
    order = rng.permutation(1000)
    part = make_part(1000).select(order)
    write_dataset(tmp_path / "d.h5", part, make_part(20, seed=1), make_recipe())
    return (
        read_part(tmp_path / "d.h5", "train"),
        read_part(tmp_path / "d.h5", "train", largest=1000),
    )


def test_stamps_that_stay_in_the_file_are_read_as_asked_for(stored):
    part, streamed = stored
    assert isinstance(streamed.stamps, StoredStamps)
    assert streamed.stamps.shape == part.stamps.shape
    rng = np.random.default_rng(1)
    for rows in (rng.permutation(1000)[:77], np.arange(1000) % 3 == 0, slice(5, 600), slice(0, 0)):
        assert np.array_equal(np.asarray(streamed.stamps[rows]), part.stamps[rows])
    twice = streamed.select(part.targets == 1).select(np.arange(9))
    assert np.array_equal(np.asarray(twice.stamps), part.stamps[part.targets == 1][:9])


def test_streaming_has_every_stamp_once_an_epoch_in_runs(stored):
    part, streamed = stored
    feed = Feed(streamed, batch=100, seed=0)
    stamps, targets = (
        np.concatenate(arrays) for arrays in zip(*(feed[i] for i in range(len(feed))), strict=True)
    )
    known = {stamp.tobytes(): row for row, stamp in enumerate(part.stamps)}
    rows = np.array([known[stamp.tobytes()] for stamp in stamps[..., 0]])
    assert np.array_equal(np.sort(rows), np.arange(1000))
    assert np.array_equal(part.targets[rows], targets[:, 1])
    assert 0 < (np.diff(rows) != 1).sum() < 20
    assert rows[0] != 0 or rows[128] != 128


def test_a_network_learns_as_well_from_the_file_as_from_memory(stored):
    part, streamed = stored
    aside = np.arange(1000) % 5 == 0
    losses = []
    for source in (part, streamed):
        trained = train(plan("d4", epochs=3), source.select(~aside), source.select(aside))
        losses.append(min(row["val_loss"] for row in trained.history))
        scores = predict(trained.model, source.stamps)
        assert area_under(rates(part.targets, scores)) > 0.9
    assert losses[1] == pytest.approx(losses[0], abs=0.15)


def test_pixels_in_the_file_that_are_not_finite_are_one_line(tmp_path):
    part = make_part(200)
    part.stamps[7, 0, 0] = np.nan
    write_dataset(tmp_path / "d.h5", part, make_part(20), make_recipe())
    streamed = read_part(tmp_path / "d.h5", "train", largest=0)
    with pytest.raises(DatasetError, match=r"d\.h5: some of its pixels are not finite"):
        train(plan(epochs=1), streamed, make_part(20))
