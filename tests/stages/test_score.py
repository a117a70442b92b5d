"""New objects are scored as the test part of the data set is, and faults are named and survived."""

import csv
import logging
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from astropy.io import fits
from astropy.table import Table

from realbogus.config import write_config
from realbogus.database import Database
from realbogus.errors import ConfigError, DatabaseError, ModelError, RecipeError, StampError
from realbogus.fitsfiles import encode_cards
from realbogus.images import cut_stamps, read_image
from realbogus.models.files import read_model_recipe
from realbogus.models.registry import build_model
from realbogus.models.storage import save_model
from realbogus.parquet import read_parquet_recipe
from realbogus.pooling import Pool, pool_images
from realbogus.scores import read_score_recipe, read_scores
from realbogus.stages.plot import plot_results
from realbogus.stages.score import score_objects
from realbogus.stamps import write_cube, write_stamp
from tests.helpers import make_recipe, save_untrained, unique_image, write_fits
from tests.ps1 import Ps1Survey

NIGHT = 58310
OBS = "02a58310o0123c"
SIDE = 200


@pytest.fixture(scope="session")
def model(trained):
    return trained / "model.h5"


@pytest.fixture(scope="session")
def wide(tmp_path_factory):
    """Save an untrained classifier of another extent and normalisation than the default."""
    path = tmp_path_factory.mktemp("wide") / "wide.h5"
    recipe = make_recipe("train", model="psat", e=8, N="noNorm", m=None)
    save_model(path, build_model("psat", 16), recipe)
    return path


@pytest.fixture
def atlas(tmp_path):
    """Make an empty ATLAS survey, and give what adds objects and stamps to it."""
    return AtlasSurvey(tmp_path / "atlas")


class AtlasSurvey:
    def __init__(self, folder):
        folder.mkdir()
        self.folder, self.config = folder, folder / "config.yaml"
        self.stamps = folder / "diff" / "survey"
        with Database.open(f"sqlite:///{folder / 'survey.db'}") as database:
            database.create_tables("atlas")
        self.write_config()

    def write_config(self, **blocks):
        local = {"databases": {"local": {"url": "sqlite:///survey.db"}}}
        write_config(self.config, {**local, "images": {"root": "diff"}, **blocks})

    def add_object(self, identifier, list_id=4):
        with sqlite3.connect(self.folder / "survey.db") as connection:
            connection.execute(
                "INSERT INTO atlas_diff_objects (id, detection_id, htm16ID, ra, dec, date_inserted,"
                " detection_list_id) VALUES (?, 1, 1, 10, 20, '2018-07-11', ?)",
                (identifier, list_id),
            )
        connection.close()

    def add_stamp(self, identifier, number=1, *, pixels=None, night=NIGHT, name=None, **row):
        """Add a row, and its file if there are pixels."""
        obs = f"{row.pop('camera', '02a')}{NIGHT}o{number:04d}c"
        name = name or f"{identifier}_{night}.123_{obs}_{number}_diff"
        values = {"image_type": "diff", "pss_error_code": 0, **row}
        with sqlite3.connect(self.folder / "survey.db") as connection:
            connection.execute(
                "INSERT INTO tcs_postage_stamp_images (image_filename, image_type, image_group_id,"
                " pss_error_code, filter) VALUES (?, ?, 1, ?, 'c')",
                (name, values["image_type"], values["pss_error_code"]),
            )
        connection.close()
        path = self.stamps / str(night) / f"{name}.fits"
        if pixels is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_fits(path, pixels, MASKVAL=-31415.0)
        return path


def noise(seed=0, side=SIDE):
    return np.random.default_rng(seed).normal(0, 30, (side, side)).astype(np.float32)


def verdicts(path):
    with path.open() as stream:
        rows = csv.DictReader(line for line in stream if line[0] != "#")
        return {row["object"]: row for row in rows}


def faults(path):
    return [
        (row["object"], Path(row["image"]).name, row["fault"], row["reason"])
        for row in Table.read(path.with_name(f"{path.stem}.faults.csv"), format="ascii.ecsv")
    ]


def image_rows(path):
    return pyarrow.parquet.read_table(path).to_pylist()


def score(config, output, *words, **options):
    score_objects(output_csv=output, config_file=config, classifiers=words, **options)
    return verdicts(output)


def test_postage_stamps_give_the_scores_that_cutouts_of_the_same_detections_give(
    survey, model, tmp_path
):
    with sqlite3.connect(survey.parent / "survey.db") as connection:
        rows = connection.execute(
            "SELECT o.id, m.obs, d.x, d.y FROM atlas_diff_objects o JOIN atlas_detectionsddc d"
            " ON d.atlas_object_id = o.id JOIN atlas_metadataddc m ON m.id = d.atlas_metadata_id"
            " WHERE o.detection_list_id = 4 AND d.image_group_id IS NOT NULL"
        ).fetchall()
    connection.close()
    assert len(rows) >= 4
    (tmp_path / "cut").mkdir()
    for number, (identifier, obs, x, y) in enumerate(rows):
        image = read_image(survey.parent / "diff" / "02a" / obs[3:8] / f"{obs}.diff.fz")
        (stamp,) = cut_stamps(image, np.array([x]), np.array([y]), size=40)
        path = tmp_path / "cut" / f"{identifier}_{obs}_{number}.fits"
        write_stamp(path, stamp, shared="", cards=[])
    looked_up = score(survey, tmp_path / "db.csv", f"02a={model}")
    score_objects([tmp_path / "cut"], output_csv=tmp_path / "cut.csv", classifiers=[str(model)])
    assert looked_up == verdicts(tmp_path / "cut.csv")
    assert sum(int(row["images"]) for row in looked_up.values()) == len(rows)


def test_stamps_of_the_test_part_get_the_scores_that_training_gave_them(
    training, trained, tmp_path
):
    before = read_scores(trained / "scores.csv")
    names = set(before.names.tolist())
    files = [path for path in training.rglob("*.fits") if path.name in names]
    assert len(files) == len(before)
    score_objects(
        files, output_csv=tmp_path / "s.csv", classifiers=[str(trained / "model.h5")], workers=1
    )
    found = verdicts(tmp_path / "s.csv")
    for item in set(before.objects.tolist()):
        expected = np.median(before.scores[before.objects == item])
        assert float(found[item]["score"]) == pytest.approx(expected, abs=1e-6)


def test_scores_are_sorted_and_carry_their_recipe(training, model, tmp_path):
    output = tmp_path / "s.csv"
    score_objects([training / "good.txt"], output_csv=output, classifiers=[str(model)])
    table = Table.read(output, format="ascii.ecsv")
    assert table.colnames == ["object", "score", "images", "spread", "score_02a", "flags"]
    assert (np.diff(table["score"]) <= 0).all()
    recipe = read_score_recipe(output)
    assert recipe.inputs["classifier"].recipe.options["e"] == 10
    assert recipe.results["objects"] == len(table)
    assert not (tmp_path / "s.faults.csv").exists()


def test_second_run_does_nothing_and_another_classifier_is_an_error(
    training, model, wide, tmp_path
):
    output = tmp_path / "s.csv"
    score_objects([training / "good.txt"], output_csv=output, classifiers=[str(model)])
    before = output.stat().st_mtime_ns
    score_objects([training / "good.txt"], output_csv=output, classifiers=[str(model)])
    assert output.stat().st_mtime_ns == before
    with pytest.raises(RecipeError, match="another classifier"):
        score_objects([training / "good.txt"], output_csv=output, classifiers=[str(wide)])


def test_a_classifier_more_or_less_is_an_error(model, wide, tmp_path):
    write_fits(tmp_path / "7_02a58310o0001c_1.fits", noise(1, 40))

    def run(*words, **options):
        score_objects([tmp_path], output_csv=tmp_path / "s.csv", classifiers=words, **options)
        return (tmp_path / "s.csv").stat().st_mtime_ns

    before = run(f"02a={model}", fallback=wide)
    assert run(f"02a={model}", fallback=wide) == before
    with pytest.raises(RecipeError, match=r"made with fallback = wide\.h5, not None: remove it"):
        run(f"02a={model}")
    with pytest.raises(RecipeError, match=r"made with classifier\[04a\] = None, not wide\.h5"):
        run(f"02a={model}", f"04a={wide}", fallback=wide)
    with pytest.raises(RecipeError, match=r"made with classifier = None, not model\.h5"):
        run(str(model))


def test_plot_takes_the_scores_with_labels(training, model, tmp_path):
    output, labels = tmp_path / "s.csv", tmp_path / "labels.csv"
    score_objects(
        [training / "good", training / "bad"], output_csv=output, classifiers=[str(model)]
    )
    bad = {path.name.split("_")[0] for path in (training / "bad").iterdir()}
    labels.write_text("".join(f"{item},{int(item not in bad)}\n" for item in verdicts(output)))
    plot_results([output], tmp_path / "p.png", labels=labels)
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_the_calibrated_score_comes_from_the_record_of_the_classifier(model, tmp_path):
    for number in range(3):
        write_fits(tmp_path / f"7_02a58310o{number:04d}c_1.fits", noise(number, 40))
    given = {"classifiers": [f"02a={model}"], "combine": "calibrated"}
    score_objects([tmp_path], output_csv=tmp_path / "s.csv", **given)
    scores = []
    for number in range(3):
        path = tmp_path / f"{number}.csv"
        image = tmp_path / f"7_02a58310o{number:04d}c_1.fits"
        score_objects([image], output_csv=path, classifiers=[str(model)])
        scores.append(float(verdicts(path)["7"]["score"]))
    record = read_model_recipe(model).results["pool"]
    expected = pool_images({"02a": scores}, {"02a": Pool.from_record(record)})
    found = verdicts(tmp_path / "s.csv")["7"]
    assert float(found["score"]) == pytest.approx(expected, rel=1e-4)
    assert float(found["score_02a"]) == pytest.approx(np.median(scores), rel=1e-4)
    with pytest.raises(RecipeError, match="combine = calibrated, not median"):
        score_objects([tmp_path], output_csv=tmp_path / "s.csv", classifiers=[f"02a={model}"])


def test_a_classifier_that_does_not_say_how_to_combine_is_an_error(wide, tmp_path):
    write_fits(tmp_path / "7_02a58310o0001c_1.fits", noise(0, 40))
    given = {"classifiers": [str(wide)], "output_csv": tmp_path / "s.csv"}
    with pytest.raises(ModelError, match=r"combine: .*wide.h5 does not say how .* take the median"):
        score_objects([tmp_path], combine="calibrated", **given)
    with pytest.raises(ConfigError, match=r"combine must be one of .*; got 'mean'"):
        score_objects([tmp_path], combine="mean", **given)
    assert not (tmp_path / "s.csv").exists()


def test_the_median_is_that_of_the_camera_with_most_images(model, tmp_path):
    for number, camera in enumerate(["02a", "02a", "02a", "04a", "04a"]):
        write_fits(tmp_path / f"7_{camera}58310o{number:04d}c_1.fits", noise(number, 40))
    score_objects([tmp_path], output_csv=tmp_path / "s.csv", classifiers=[str(model)])
    row = verdicts(tmp_path / "s.csv")["7"]
    assert row["score"] == row["score_02a"] != row["score_04a"]
    assert row["images"] == "5"
    assert float(row["spread"]) > 0


def test_the_median_of_an_object_is_that_of_its_images_in_the_table(model, tmp_path):
    for number, camera in enumerate(["02a", "04a", "02a", "04a", "02a"]):
        write_fits(tmp_path / f"7_{camera}58310o{number:04d}c_1.fits", noise(number, 40))
    write_fits(tmp_path / "10_1.fits", noise(9, 40))
    output, table = tmp_path / "s.csv", tmp_path / "s.parquet"
    score_objects([tmp_path], output_csv=output, output_parquet=table, classifiers=[str(model)])
    rows = image_rows(table)
    assert [row["object"] for row in rows] == ["10", *["7"] * 5]
    assert [row["image"] for row in rows] == sorted(map(str, tmp_path.glob("*.fits")))
    assert {(row["camera"], row["night"]) for row in rows[1:]} == {("02a", 58310), ("04a", 58310)}
    assert rows[1]["exposure"] == "02a58310o0000c"
    assert [rows[0][name] for name in ("plane", "exposure", "camera", "night")] == [None] * 4
    found = verdicts(output)
    for camera, column in (("02a", "score"), ("04a", "score_04a")):
        scores = [row["score"] for row in rows[1:] if row["camera"] == camera]
        assert float(found["7"][column]) == pytest.approx(np.median(scores), rel=1e-6)
    assert float(found["10"]["score"]) == pytest.approx(rows[0]["score"], rel=1e-6)
    assert read_parquet_recipe(table) == read_score_recipe(output)


def test_the_table_of_images_is_of_the_run_of_the_objects(model, wide, tmp_path, caplog):
    write_fits(tmp_path / "7_02a58310o0001c_1.fits", noise(1, 40))
    output, table = tmp_path / "s.csv", tmp_path / "s.parquet"

    def run(classifier=model):
        score_objects(
            [tmp_path], output_csv=output, output_parquet=table, classifiers=[str(classifier)]
        )
        return [path.stat().st_mtime_ns for path in (output, table)]

    caplog.set_level(logging.INFO, "realbogus")
    before = run()
    assert run() == before
    table.unlink()
    assert all(after > made for after, made in zip(run(), before, strict=True))
    assert "s.csv and " in caplog.text and "are made anew, since" in caplog.text
    output.unlink()
    before = run()
    assert run() == before
    with pytest.raises(RecipeError, match="another classifier"):
        run(wide)
    output.unlink()
    with pytest.raises(RecipeError, match=r"s\.parquet exists .* another classifier"):
        run(wide)


@pytest.mark.parametrize("by", ["words", "configuration"])
def test_each_camera_goes_to_its_own_classifier(atlas, model, wide, tmp_path, by):
    atlas.add_object(7)
    pixels = noise()
    atlas.add_stamp(7, 1, pixels=pixels)
    atlas.add_stamp(7, 2, pixels=pixels, camera="04a")
    for name, path in (("02a", model), ("04a", wide)):
        shutil.copy(path, atlas.folder / f"{name}.h5")
    if by == "words":
        words = [f"{name}={atlas.folder / name}.h5" for name in ("02a", "04a")]
    else:
        words = []
        atlas.write_config(classifiers={name: f"{name}.h5" for name in ("02a", "04a")})
    row = score(atlas.config, tmp_path / "s.csv", *words)["7"]
    alone = {
        name: score(atlas.config, tmp_path / f"{name}.csv", str(path))["7"][f"score_{name}"]
        for name, path in (("02a", model), ("04a", wide))
    }
    found = [float(row[f"score_{name}"]) for name in alone]
    assert found == pytest.approx([float(value) for value in alone.values()], abs=1e-5)
    assert abs(found[0] - found[1]) > 0.01


def test_a_folder_named_like_a_camera_does_not_decide(model, wide, tmp_path):
    folder = tmp_path / "04a58310o0001c"
    folder.mkdir()
    write_fits(folder / "7_02a58310o0001c_1.fits", noise(0, 40))
    score_objects(
        [folder], output_csv=tmp_path / "s.csv", classifiers=[f"02a={model}", f"04a={wide}"]
    )
    assert verdicts(tmp_path / "s.csv")["7"]["score_02a"]


def test_the_header_says_the_camera_that_the_name_does_not(model, tmp_path):
    write_fits(tmp_path / "7_1.fits", noise(0, 40), EXPNAME=OBS)
    score_objects([tmp_path], output_csv=tmp_path / "s.csv", classifiers=[f"02a={model}"])
    assert verdicts(tmp_path / "s.csv")["7"]["score_02a"]


def test_camera_without_a_classifier_is_an_error_before_any_pixel_is_read(atlas, model, tmp_path):
    atlas.add_object(7)
    atlas.add_stamp(7, 1, pixels=noise(), camera="05r")
    with pytest.raises(ConfigError, match=r"camera 05r has none, and took 1 images .*: give 05r="):
        score(atlas.config, tmp_path / "s.csv", f"02a={model}")
    write_fits(tmp_path / "7_1.fits", noise(0, 40))
    with pytest.raises(ConfigError, match="the unknown camera has none"):
        score_objects(
            [tmp_path / "7_1.fits"], output_csv=tmp_path / "s.csv", classifiers=[f"02a={model}"]
        )
    assert not (tmp_path / "s.csv").exists()


def test_fallback_flags_every_score_that_it_gives(atlas, model, wide, tmp_path, caplog):
    for identifier, camera in ((7, "02a"), (8, "05r")):
        atlas.add_object(identifier)
        atlas.add_stamp(identifier, 1, pixels=noise(), camera=camera)
    caplog.set_level(logging.WARNING, "realbogus")
    found = score(atlas.config, tmp_path / "s.csv", f"02a={wide}", fallback=model)
    assert {name: row["flags"] for name, row in found.items()} == {"7": "", "8": "fallback=1"}
    assert found["8"]["score_05r"]
    assert "1 objects have scores of the fallback" in caplog.text
    with pytest.raises(ConfigError, match=r"fallback: .* is for all cameras"):
        score(atlas.config, tmp_path / "t.csv", str(model), fallback=wide)


def test_faults_are_named_flagged_and_survived(atlas, model, tmp_path, caplog):
    caplog.set_level(logging.WARNING, "realbogus")
    for identifier in (6, 7, 8):
        atlas.add_object(identifier)
    atlas.add_stamp(7, 1, pixels=noise())
    atlas.add_stamp(7, 2)
    truncated = atlas.add_stamp(7, 3, pixels=noise())
    truncated.write_bytes(truncated.read_bytes()[:20_000])
    atlas.add_stamp(7, 4, pixels=noise(side=40))
    masked = noise()
    masked[90:110, 90:110] = -31415
    atlas.add_stamp(7, 5, pixels=masked)
    atlas.add_stamp(7, name="7_../../../etc_02a58310o0006c_6_diff")
    atlas.add_stamp(8, 7, pixels=np.full((SIDE, SIDE), np.nan, np.float32))
    table = tmp_path / "s.parquet"
    found = score(atlas.config, tmp_path / "s.csv", str(model), output_parquet=table)
    assert found["7"]["images"] == "1"
    assert found["7"]["flags"] == "missing=1 unreadable=1 size=1 masked=1 refused=1"
    assert (found["6"]["score"], found["6"]["flags"]) == ("", "no_images")
    assert (found["8"]["score"], found["8"]["flags"]) == ("", "no_images masked=1")
    assert next(iter(found)) == "7"
    named = {(item, fault): reason for item, _, fault, reason in faults(tmp_path / "s.csv")}
    assert "o0002c_2_diff.fits: no such file" in named["7", "missing"]
    assert "o0003c_3_diff.fits: not a readable FITS image" in named["7", "unreadable"]
    assert "40 x 40 pixels, not 200 x 200" in named["7", "size"]
    assert "o0005c_5_diff.fits: has no unmasked pixel" in named["7", "masked"]
    assert "has a name of another form" in named["7", "refused"]
    assert "1 images are left out (missing)" in caplog.text
    assert "2 of 3 objects have no score" in caplog.text
    rows = image_rows(table)
    assert [row["fault"] for row in rows if row["object"] == "7"] == [
        *("refused", None, "missing", "unreadable", "size", "masked")
    ]
    assert {row["object"] for row in rows} == {"7", "8"}
    assert [row["score"] is None for row in rows] == [row["fault"] is not None for row in rows]


def test_a_plot_leaves_out_objects_without_a_score(atlas, model, tmp_path, caplog):
    for identifier in (7, 8, 9):
        atlas.add_object(identifier)
    for identifier in (7, 8):
        atlas.add_stamp(identifier, pixels=noise(identifier))
    score(atlas.config, tmp_path / "s.csv", str(model))
    (tmp_path / "labels.csv").write_text("7,1\n8,0\n9,0\n")
    back = read_scores(tmp_path / "s.csv", labels=tmp_path / "labels.csv")
    assert sorted(back.objects.tolist()) == ["7", "8"]
    assert "1 objects without a score are left out" in caplog.text


def test_masked_pixels_at_maskval_are_masked_as_those_that_are_nan(model, tmp_path):
    pixels = np.rint(noise(0, 40))
    pixels[18:20, 15:25] = np.nan
    write_fits(tmp_path / "7_02a58310o0001c_1.fits", pixels)
    pixels[np.isnan(pixels)] = -31415
    write_fits(tmp_path / "8_02a58310o0001c_1.fits", pixels, MASKVAL=-31415.0)
    packed = pixels.astype(np.int16)
    write_fits(tmp_path / "9_02a58310o0001c_1.fits", packed, packing="RICE_1", MASKVAL=-31415.0)
    score_objects([tmp_path], output_csv=tmp_path / "s.csv", classifiers=[str(model)])
    found = {name: float(row["score"]) for name, row in verdicts(tmp_path / "s.csv").items()}
    assert found["7"] == found["8"] == found["9"]


def test_ids_and_files_of_ids_are_scored_whatever_their_list(atlas, model, tmp_path):
    for identifier, list_id in ((6, 4), (7, 0), (8, 2)):
        atlas.add_object(identifier, list_id)
        atlas.add_stamp(identifier, pixels=noise(identifier))
    (tmp_path / "ids.txt").write_text("# mine\n8\n")
    words = ["7", str(tmp_path / "ids.txt"), "9"]
    found = score(atlas.config, tmp_path / "s.csv", str(model), objects=words)
    assert set(found) == {"7", "8", "9"}
    assert found["9"]["flags"] == "no_images"
    assert set(score(atlas.config, tmp_path / "t.csv", str(model), list_id=2)) == {"8"}


def test_a_stamp_of_another_object_or_kind_is_never_taken(atlas, model, tmp_path):
    atlas.add_object(7)
    atlas.add_stamp(7, 1, pixels=noise())
    atlas.add_stamp(7, 2, pixels=noise(), pss_error_code=5)
    atlas.add_stamp(7, 3, pixels=noise(), image_type="target")
    atlas.add_stamp(77, 4, pixels=noise())
    assert score(atlas.config, tmp_path / "s.csv", str(model))["7"]["images"] == "1"


def test_stamps_lie_in_the_night_of_the_exposure_or_of_the_mjd(atlas, model, tmp_path):
    """At 03a the whole part of the MJD is mostly the night before."""
    atlas.add_object(7)
    path = atlas.add_stamp(7, 1, pixels=noise(), night=NIGHT - 1, camera="03a")
    before = score(atlas.config, tmp_path / "s.csv", str(model))
    (atlas.stamps / str(NIGHT)).mkdir()
    path.rename(atlas.stamps / str(NIGHT) / path.name)
    assert score(atlas.config, tmp_path / "t.csv", str(model)) == before
    assert before["7"]["images"] == "1"


def test_stamps_can_have_a_root_of_their_own(atlas, model, tmp_path):
    atlas.add_object(7)
    atlas.add_stamp(7, 1, pixels=noise())
    (atlas.folder / "diff").rename(atlas.folder / "pictures")
    atlas.write_config(images={"root": "diff", "stamps": "pictures"})
    assert score(atlas.config, tmp_path / "s.csv", str(model))["7"]["images"] == "1"
    (atlas.folder / "pictures").rename(tmp_path / "elsewhere")
    found = score(atlas.config, tmp_path / "t.csv", str(model), image_root=tmp_path / "elsewhere")
    assert found["7"]["images"] == "1"


def test_pan_starrs_is_scored_by_camera_from_packed_stamps(wide, tmp_path):
    survey = Ps1Survey(tmp_path / "ps1")
    survey.add_object(3000, 4, confidence_factor=None)
    names = [
        survey.add_stamp(3000, pixels=noise(1, 300), filter="r.00000"),
        survey.add_stamp(3000, pixels=noise(2, 300), filter="w.00002"),
        survey.add_stamp(3000, name="3000_57001.5_4300000000_7_diff", pixels=noise(3, 300)),
    ]
    assert len(names) == 3
    words = [f"gpc1={wide}", f"gpc2={save_untrained(tmp_path / 'other.h5')}"]
    row = score(survey.config, tmp_path / "s.csv", *words)["3000"]
    assert row["images"] == "2"
    assert row["score_gpc1"] != row["score_gpc2"]


def test_cubes_are_scored_plane_by_plane(model, tmp_path):
    cube = np.stack([noise(number, 40) for number in range(3)])
    columns = {"x": np.zeros(3), "y": np.zeros(3), "detection": np.arange(3)}
    columns["object"] = np.array(["7", "8", "7"])
    shared = encode_cards([("EXPNAME", OBS)])
    write_cube(tmp_path / "c.fits", cube, shared=shared, columns=columns)
    for name, word in (("a.csv", "c.fits"), ("b.csv", "c.fits[1]")):
        output = tmp_path / name
        score_objects(
            [tmp_path / word],
            output_csv=output,
            output_parquet=output.with_suffix(".parquet"),
            classifiers=[f"02a={model}"],
        )
    found = verdicts(tmp_path / "a.csv")
    assert {item: row["images"] for item, row in found.items()} == {"7": "2", "8": "1"}
    assert verdicts(tmp_path / "b.csv") == {"8": found["8"]}
    rows = image_rows(tmp_path / "a.parquet")
    assert [(row["object"], row["plane"]) for row in rows] == [("7", 0), ("7", 2), ("8", 1)]
    assert {row["image"] for row in rows} == {str(tmp_path / "c.fits")}
    (tmp_path / "list.txt").write_text("c.fits[0]\nc.fits[2]\n")
    score_objects(
        [tmp_path / "list.txt"], output_csv=tmp_path / "l.csv", classifiers=[f"02a={model}"]
    )
    assert verdicts(tmp_path / "l.csv") == {"7": found["7"]}


def test_memory_and_blocks_do_not_change_scores(training, model, tmp_path, monkeypatch):
    score_objects([training / "bad.txt"], output_csv=tmp_path / "a.csv", classifiers=[str(model)])
    monkeypatch.setattr("realbogus.triage.BLOCK", 7)
    score_objects(
        [training / "bad.txt"], output_csv=tmp_path / "b.csv", classifiers=[str(model)], workers=3
    )
    one, other = (verdicts(tmp_path / name) for name in ("a.csv", "b.csv"))
    assert one.keys() == other.keys()
    for name, row in one.items():
        assert float(other[name]["score"]) == pytest.approx(float(row["score"]), abs=1e-5)
        assert other[name]["images"] == row["images"]


def test_a_classifier_of_the_predecessor_needs_no_recipe(training, tmp_path, caplog):
    build_model("psat", 20).save(tmp_path / "old.keras")
    score_objects(
        [training / "good.txt"],
        output_csv=tmp_path / "s.csv",
        classifiers=[str(tmp_path / "old.keras")],
    )
    assert "says nothing of its features" in caplog.text


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"e": 10, "N": "log"}, "N .normalisation. must be one of"),
        ({"e": None, "N": "spn"}, "gives no extent"),
        ({"e": 10, "N": "spn", "m": "x"}, "gives no mask value"),
        ({"e": 10, "N": "spn", "psf": True}, "says True of the PSF .* train the classifier anew"),
        ({"e": 12, "N": "spn"}, "does not hold weights of the network"),
        (
            {"e": 10, "N": "spn", "results": {"cameras": "05r"}},
            "gives no names of cameras; got '05r'",
        ),
        ({"e": 10, "N": "spn", "results": {"cameras": ["05r", 2]}}, "gives no names of cameras"),
    ],
)
def test_a_classifier_whose_recipe_is_not_its_own_is_refused(training, tmp_path, options, part):
    path = tmp_path / "m.h5"
    save_model(path, build_model("psat", 20), make_recipe("train", model="psat", **options))
    with pytest.raises(ModelError, match=part):
        score_objects([training / "good.txt"], output_csv=tmp_path / "s", classifiers=[str(path)])


@pytest.mark.parametrize(
    ("options", "kind", "part"),
    [
        ({"list_id": 13}, DatabaseError, "has no object on list 13"),
        ({"list_id": -1}, ConfigError, "listid must not be negative"),
        ({"objects": ["x7"]}, ConfigError, "objects must be ids, or files"),
        ({"objects": ["123456789012345678901"]}, ValueError, "not the id of an object"),
        ({"objects": ["7"], "images": [Path("a")]}, ConfigError, "either images or objects"),
        ({"rescore": True}, ConfigError, "rescore: does nothing without update"),
        ({"output_parquet": Path("s.pq")}, ConfigError, "outputparquet must end in .parquet; got"),
        ({"update": True, "images": [Path("a")]}, ConfigError, "update: images are no objects"),
        ({"classifiers": ["99z=MODEL"]}, ConfigError, "'99z' is not a camera: 01a, 02a"),
        ({"classifiers": []}, ConfigError, "give one, or a block 'classifiers'"),
        ({"classifiers": ["none.h5"]}, ConfigError, "classifier: none.h5 does not exist"),
        ({"fallback": Path("no.h5"), "classifiers": ["02a=MODEL"]}, ConfigError, "fallback: no.h5"),
        ({"images": [Path("none.txt")]}, ConfigError, "images: none.txt does not exist"),
        ({"objects": ["7"]}, StampError, "none of 1 objects has an image to score, such as 7"),
    ],
)
def test_what_is_not_allowed_is_said(atlas, model, tmp_path, options, kind, part):
    given = {"config_file": atlas.config, "classifiers": ["MODEL"], **options}
    given["classifiers"] = [word.replace("MODEL", str(model)) for word in given["classifiers"]]
    with pytest.raises(kind, match=part):
        score_objects(output_csv=tmp_path / "s.csv", **given)
    assert not list(tmp_path.glob("s.*"))


def test_nothing_is_written_when_nothing_can_be_scored(tmp_path, model):
    write_fits(tmp_path / "7_1.fits", unique_image(15, 15))
    with pytest.raises(StampError, match=r"none of 1 images can be scored: .*7_1.fits: 15 x 15"):
        score_objects(
            [tmp_path],
            output_csv=tmp_path / "s.csv",
            output_parquet=tmp_path / "s.parquet",
            classifiers=[str(model)],
        )
    assert [path.name for path in tmp_path.iterdir()] == ["7_1.fits"]


def test_simulated_eyeball_objects_have_stamps_as_the_survey_makes_them(survey):
    paths = sorted((survey.parent / "diff" / "survey").rglob("*.fits"))
    assert len(paths) >= 4
    with fits.open(paths[0]) as hdus:
        assert hdus[0].data.shape == (SIDE, SIDE)
        assert hdus[0].header["MASKVAL"] == -31415
        assert not np.isnan(hdus[0].data).any()
    with sqlite3.connect(survey.parent / "survey.db") as connection:
        query = (
            "SELECT image_filename FROM tcs_postage_stamp_images s JOIN atlas_diff_objects o ON"
            " s.image_filename LIKE o.id || '_%' WHERE detection_list_id = 4 AND image_type='diff'"
        )
        names = {row[0] for row in connection.execute(query)}
    connection.close()
    assert {path.stem for path in paths} == names


def test_a_list_is_read_page_by_page(atlas, model, tmp_path, monkeypatch):
    for name in ("PAGE", "BATCH"):
        monkeypatch.setattr(f"realbogus.database.stamps.{name}", 2)
    for identifier in range(1, 6):
        atlas.add_object(identifier)
        atlas.add_stamp(identifier, pixels=noise(identifier))
    found = score(atlas.config, tmp_path / "s.csv", str(model))
    assert set(found) == {"1", "2", "3", "4", "5"}


def test_a_whole_run_loads_no_tensorflow(training, model, tmp_path):
    code = (
        "import sys, runKerasTensorflowClassifier as script\n"
        f"words = ['--classifier', {str(model)!r}, {str(training / 'good.txt')!r}]\n"
        f"assert script.main([*words, '--outputcsv', {str(tmp_path / 'objects.csv')!r}]) == 0\n"
        "print(*sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    assert verdicts(tmp_path / "objects.csv")


def test_both_engines_give_the_same_scores(training, model, tmp_path):
    given = [
        verdicts_of(training, model, tmp_path / f"{engine}.csv", engine=engine)
        for engine in ("onnx", "keras")
    ]
    for name in given[0]:
        assert given[0][name] == pytest.approx(given[1][name], abs=1e-5)


def verdicts_of(training, model, output, **options):
    score_objects([training / "good.txt"], output_csv=output, classifiers=[str(model)], **options)
    return {name: float(row["score"]) for name, row in verdicts(output).items()}


def test_an_unknown_engine_is_one_line(model, tmp_path):
    with pytest.raises(ConfigError, match="engine must be one of auto, onnx, keras; got 'fast'"):
        score_objects([tmp_path], output_csv=tmp_path / "o.csv", engine="fast")
