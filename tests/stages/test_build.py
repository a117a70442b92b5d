from dataclasses import replace

import h5py
import numpy as np
import pytest
from astropy.io import fits

from realbogus.dataset import TRAITS, read_dataset_recipe, read_part
from realbogus.errors import ConfigError, DatasetError, FormatError, RecipeError, StampError
from realbogus.fitsfiles import encode_cards
from realbogus.lists import read_list, read_list_recipe, write_list
from realbogus.seeing import TOLD
from realbogus.stages.build import build_dataset
from realbogus.stamps import write_cube
from tests.helpers import make_recipe, make_row, unique_image, write_fits


@pytest.fixture
def lists(tmp_path):
    """Make 8 real and 40 bogus stamps, each with unique pixels, and their lists."""
    for name, count in (("good", 8), ("bad", 40)):
        (tmp_path / name).mkdir()
        rows = [make_stamp(tmp_path, name, index) for index in range(count)]
        write_list(tmp_path / f"{name}.txt", rows, make_recipe("cut"))
    return tmp_path


def make_stamp(folder, name, index, *, size=40, obj=None):
    number = index + (1000 if name == "bad" else 0)
    pixels = unique_image(size, size, np.float32) + 10000 * number
    stamp = f"{name}/{number}_exposure_{index}.fits"
    write_fits(folder / stamp, pixels)
    return make_row(number, stamp=stamp, object=obj or str(number), mag=15 + number / 1000)


def build(folder, output="dataset.h5", **options):
    build_dataset(folder / "good.txt", folder / "bad.txt", folder / output, **options)
    return folder / output


def share_object(index, row):
    return replace(row, object=f"{row.stamp[:3]}{index // 4}")


def parts(path):
    return read_part(path, "train"), read_part(path, "test")


def rewrite(folder, name, change):
    path = folder / f"{name}.txt"
    recipe = read_list_recipe(path)
    rows = change(read_list(path))
    path.unlink()
    write_list(path, rows, recipe)


def test_features_are_the_middle_of_the_stamps(lists):
    for part in parts(build(lists, normalisation="noNorm", extent=10)):
        for stamp, name in zip(part.stamps, part.names, strict=True):
            folder = "bad" if int(name.split("_")[0]) >= 1000 else "good"
            whole = fits.getdata(lists / folder / name)
            assert stamp.shape == (20, 20)
            assert stamp[10, 10] == whole[20, 20]
            np.testing.assert_array_equal(stamp, whole[10:30, 10:30])


def test_targets_follow_the_lists(lists):
    for part in parts(build(lists)):
        numbers = np.array([int(name.split("_")[0]) for name in part.names])
        np.testing.assert_array_equal(part.targets, numbers < 1000)


def test_skew_draws_that_many_bogus_over_the_whole_list(lists):
    train, test = parts(build(lists, skew=3))
    bogus = [int(name.split("_")[0]) for p in (train, test) for name in p.names[p.targets == 0]]
    assert len(bogus) == 24
    assert max(bogus) > 1024
    assert len(set(bogus)) == 24


def test_too_few_bogus_are_all_used_with_a_warning(lists, caplog):
    train, test = parts(build(lists, skew=10))
    assert sum(int((part.targets == 0).sum()) for part in (train, test)) == 40
    assert "80 bogus stamps were asked for, 40 are listed" in caplog.text


def test_no_object_is_on_both_sides(lists):
    def share(rows):
        return [replace(row, object=str(index // 4)) for index, row in enumerate(rows)]

    rewrite(
        lists, "bad", lambda rows: [replace(r, object=f"b{i // 4}") for i, r in enumerate(rows)]
    )
    rewrite(lists, "good", share)
    for seed in range(20):
        train, test = parts(build(lists, f"{seed}.h5", seed=seed))
        assert not set(train.objects) & set(test.objects)


def test_same_seed_gives_the_same_rows_and_another_seed_others(lists):
    first, again, other = (build(lists, f"{i}.h5", seed=seed) for i, seed in enumerate((1, 1, 2)))
    assert list(parts(first)[0].names) == list(parts(again)[0].names)
    assert list(parts(first)[0].names) != list(parts(other)[0].names)


def test_rotation_copies_turn_about_the_source_and_only_in_training(lists):
    plain_train, plain_test = parts(build(lists, "plain.h5", normalisation="noNorm"))
    train, test = parts(build(lists, "turned.h5", normalisation="noNorm", rotation=90))
    assert len(train) == 4 * len(plain_train)
    np.testing.assert_array_equal(test.stamps, plain_test.stamps)
    name = plain_train.names[0]
    copies = train.stamps[train.names == name]
    source = plain_train.stamps[0][10, 10]
    assert len({copy.tobytes() for copy in copies}) == 4
    assert all(copy[10, 10] == source for copy in copies)


@pytest.mark.parametrize("name", ["spn", "bg_sub_spn"])
def test_alias_is_recorded_by_its_full_name(lists, name):
    recipe = read_dataset_recipe(build(lists, normalisation=name))
    assert recipe.options["N"] == {"spn": "signPreserveNorm"}.get(name, "bg_sub_signPreserveNorm")


def test_mask_value_marks_pixels_of_integer_stamps(lists):
    for row in read_list(lists / "good.txt") + read_list(lists / "bad.txt"):
        pixels = np.full((40, 40), 7, np.int16)
        pixels[15:25, 15:20] = -9999
        (lists / row.stamp).unlink()
        write_fits(lists / row.stamp, pixels)
    train, _ = parts(build(lists, normalisation="noNorm", mask_value=-9999))
    assert set(np.unique(train.stamps)) == {0, 7}


def test_packed_stamps_are_read_from_their_extension(lists):
    for row in read_list(lists / "good.txt") + read_list(lists / "bad.txt"):
        (lists / row.stamp).unlink()
        write_fits(lists / row.stamp, unique_image(40, 40), packing="RICE_1")
    train, _ = parts(build(lists, extension=1, normalisation="noNorm"))
    assert train.stamps[0][10, 10] == unique_image(40, 40)[20, 20]


def test_bare_lists_of_file_names_are_read(lists):
    for name in ("good", "bad"):
        rows = read_list(lists / f"{name}.txt")
        (lists / f"{name}.txt").write_text("".join(f"{row.stamp}\n" for row in rows))
    train, test = parts(build(lists))
    assert len(train) + len(test) == 8 + 24
    assert {name.split("_")[0] for name in train.names} == set(train.objects)


def test_object_in_both_lists_is_left_out_and_counted(lists, caplog):
    rewrite(lists, "bad", lambda rows: [replace(rows[0], object="3"), *rows[1:]])
    output = build(lists, skew=100)
    assert read_dataset_recipe(output).results["in_both_lists"] == 2
    assert "1 objects are in both lists and are left out: 3" in caplog.text
    assert not any("3" in part.objects for part in parts(output))


def test_stamp_listed_twice_is_used_once(lists):
    rewrite(lists, "good", lambda rows: [*rows, rows[0]])
    assert read_dataset_recipe(build(lists)).results["duplicates"] == 1


def test_fully_masked_stamp_is_dropped_and_counted(lists):
    row = read_list(lists / "good.txt")[0]
    (lists / row.stamp).unlink()
    write_fits(lists / row.stamp, np.full((40, 40), np.nan, np.float32))
    output = build(lists)
    assert read_dataset_recipe(output).results["fully_masked"] == 1
    assert not any(row.object in part.objects for part in parts(output))


def test_second_build_is_left_alone(lists):
    made = build(lists).stat().st_mtime_ns
    assert build(lists).stat().st_mtime_ns == made


@pytest.mark.parametrize(
    ("option", "value", "difference"),
    [("extent", 8, "e = 10, not 8"), ("skew", 2, "s = 3.0, not 2"), ("seed", 5, "seed = 0, not 5")],
)
def test_data_set_of_other_options_is_an_error_that_names_them(lists, option, value, difference):
    output = build(lists)
    before = output.read_bytes()
    with pytest.raises(RecipeError, match=difference):
        build(lists, **{option: value})
    assert output.read_bytes() == before


def test_data_set_of_a_list_that_was_edited_since_is_an_error(lists):
    build(lists)
    rewrite(lists, "good", lambda rows: rows[:-1])  # its recipe stays
    with pytest.raises(RecipeError, match="another good"):
        build(lists)


def test_file_without_a_recipe_is_not_overwritten(lists):
    with h5py.File(lists / "dataset.h5", "w") as file:
        file["X"] = [1]
    with pytest.raises(RecipeError, match="does not say what made it"):
        build(lists)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"extent": 4}, "e .extent. must be from 5 to 500 pixels; got 4"),
        ({"extension": -1}, "E .FITS extension. must not be negative; got -1"),
        ({"skew": 0}, "s .skew. must be above 0; got 0"),
        ({"skew": float("nan")}, "s .skew. must be above 0; got nan"),
        ({"skew": float("inf")}, "s .skew. must be above 0; got inf"),
        ({"mask_value": float("nan")}, "m .mask value. must be a number of a pixel; got nan"),
        ({"rotation": 45}, "r .* must be one of 90, 180; got 45"),
        ({"normalisation": "log"}, "N .* must be one of noNorm, .* got 'log'"),
        ({"test_fraction": 1.0}, "testFraction must be between 0 and 1; got 1.0"),
    ],
)
def test_option_that_is_not_allowed_is_an_error(lists, options, message):
    with pytest.raises(ConfigError, match=message):
        build(lists, **options)
    assert not (lists / "dataset.h5").exists()


def test_empty_list_is_an_error_that_names_it(lists):
    (lists / "good.txt").write_text("")
    with pytest.raises(DatasetError, match=r"good\.txt: lists no real detection"):
        build(lists)
    assert not (lists / "dataset.h5").exists()


def test_list_of_something_else_is_an_error_that_names_the_line(lists):
    path = lists / "bad.txt"
    path.write_text("# x y mag dmag ra dec obs object stamp\n1 2 3\n")
    with pytest.raises(FormatError, match=r"bad\.txt, line 2: not a row"):
        build(lists)


def test_missing_list_is_an_error(lists):
    (lists / "good.txt").unlink()
    with pytest.raises(ConfigError, match=r"good: .*good\.txt does not exist"):
        build(lists)


def test_stamp_that_is_not_fits_is_an_error_that_names_it(lists):
    row = read_list(lists / "good.txt")[5]
    (lists / row.stamp).write_text("not FITS")
    with pytest.raises(StampError, match=rf"{row.stamp}: not a readable FITS image"):
        build(lists)
    assert not (lists / "dataset.h5").exists()


def test_stamp_smaller_than_the_features_is_an_error_that_names_it(lists):
    with pytest.raises(StampError, match=r"\.fits: 40 x 40 pixels, smaller than 2 x extent = 42"):
        build(lists, extent=21)


def test_stamp_as_large_as_the_features_is_used(lists):
    train, _ = parts(build(lists, extent=20, rotation=180, normalisation="noNorm"))
    assert train.stamps.shape[1:] == (40, 40)


def test_one_object_alone_can_not_be_split(lists):
    rewrite(lists, "good", lambda rows: rows[:1])
    with pytest.raises(DatasetError, match="1 real objects can't be split"):
        build(lists)


def cubes_of(lists):
    """Put the stamps of the lists into cubes of five; give the folder of lists that name planes."""
    folder = lists / "as_cubes"
    folder.mkdir()
    rows = [(name, row) for name in ("good", "bad") for row in read_list(lists / f"{name}.txt")]
    listed = {"good": [], "bad": []}
    for first in range(0, len(rows), 5):
        some = rows[first : first + 5]
        columns = {
            "x": np.zeros(len(some)),
            "y": np.zeros(len(some)),
            "object": np.array([row.object for _, row in some]),
            "detection": np.arange(len(some)),
            "mag": np.array([row.mag for _, row in some]),
        }
        cube = f"02a583{first:02d}o0001c.fits"
        pixels = np.stack([fits.getdata(lists / row.stamp) for _, row in some])
        write_cube(folder / cube, pixels, shared=encode_cards([("FWHM", 2.5)]), columns=columns)
        for plane, (name, row) in enumerate(some):
            listed[name].append(replace(row, stamp=f"{cube}[{plane}]", obs=cube.split(".")[0]))
    for name, found in listed.items():
        write_list(folder / f"{name}.txt", found, make_recipe("cut"))
    return folder


def content_of(path):
    """Give the features of each object, whatever the order."""
    return {
        (which, obj, target): stamp.tobytes()
        for which, part in zip(("train", "test"), parts(path), strict=True)
        for obj, target, stamp in zip(part.objects, part.targets, part.stamps, strict=True)
    }


def test_cubes_give_the_data_set_that_files_do(lists):
    assert content_of(build(cubes_of(lists))) == content_of(build(lists))


def test_cubes_and_files_mix_and_the_extension_is_of_files_only(lists):
    folder = cubes_of(lists)
    for row in read_list(lists / "bad.txt"):
        pixels = fits.getdata(lists / row.stamp).astype(np.int32)
        (lists / row.stamp).unlink()
        hdus = [fits.PrimaryHDU(), fits.ImageHDU(pixels)]
        fits.HDUList(hdus).writeto(lists / row.stamp)
    rewrite(folder, "bad", lambda rows: read_list(lists / "bad.txt"))
    (folder / "bad").symlink_to(lists / "bad")
    train, test = parts(build(folder, extension=1, normalisation="noNorm"))
    for part in (train, test):
        for stamp, obj in zip(part.stamps, part.objects, strict=True):
            assert stamp[0, 0] == 411 + 10000 * int(obj)


def test_a_bare_list_of_planes_takes_the_objects_from_the_tables(lists):
    folder = cubes_of(lists)
    named = content_of(build(folder))
    mag = {
        name: value
        for part in parts(folder / "dataset.h5")
        for name, value in zip(part.names, part.mag, strict=True)
    }
    for name in ("good", "bad"):
        rows = read_list(folder / f"{name}.txt")
        (folder / f"{name}.txt").write_text("".join(f"{row.stamp}\n" for row in rows))
    assert content_of(build(folder, "bare.h5")) == named
    for part in parts(folder / "bare.h5"):
        assert [mag[name] for name in part.names] == list(part.mag)


def test_each_row_says_what_is_known_of_it(lists):
    train, test = parts(build(cubes_of(lists)))
    for part in (train, test):
        assert set(part.traits) == set(TRAITS)
        assert part.traits["snr"] == pytest.approx(1.0857 / 0.11, rel=1e-4)
        assert set(part.traits["night"]) <= set(range(58300, 58350))
        assert set(part.traits["camera"]) == {"02a"}
        assert set(part.traits["filter"]) == {"c"}
        assert (part.traits["seeing"] == 2.5).all()
        assert (part.traits["masked"] == 0).all()


def test_the_first_pixel_says_how_wide_the_psf_is_on_request(lists):
    folder = cubes_of(lists)
    plain, told = parts(build(folder)), parts(build(folder, "psf.h5", psf=True))
    for part, other in zip(told, plain, strict=True):
        assert part.stamps[:, 0, 0] == pytest.approx(np.log2(2.5 / 2.2), abs=1e-6)
        assert part.names.tolist() == other.names.tolist()
        part.stamps[:, 0, 0] = other.stamps[:, 0, 0]
        np.testing.assert_array_equal(part.stamps, other.stamps)
    assert read_dataset_recipe(folder / "psf.h5").options["psf"] == TOLD
    with pytest.raises(RecipeError, match=r"psf\.h5 exists and was made with psf = .*, not None"):
        build(folder, "psf.h5")


def test_the_masked_fraction_is_of_the_feature(lists):
    row = read_list(lists / "good.txt")[0]
    pixels = unique_image(40, 40, np.float32)
    pixels[:15] = np.nan  # a quarter of rows 10 to 29, and what is outside them
    (lists / row.stamp).unlink()
    write_fits(lists / row.stamp, pixels)
    for part in parts(build(lists)):
        for obj, masked in zip(part.objects, part.traits["masked"], strict=True):
            assert masked == (0.25 if obj == row.object else 0)


def test_training_rows_are_shuffled(lists):
    train, _ = parts(build(lists))
    changes = np.count_nonzero(np.diff(train.targets))
    assert changes > 3


def test_the_number_of_threads_changes_nothing(lists, monkeypatch):
    monkeypatch.setattr("realbogus.stages.build._LARGEST_JOB", 3)
    one, three = (build(lists, f"{n}.h5", workers=n) for n in (1, 3))
    for first, second in zip(parts(one), parts(three), strict=True):
        assert list(first.names) == list(second.names)
        assert np.array_equal(first.stamps, second.stamps)


def test_cubes_that_are_read_early_and_those_that_are_not_give_the_same(lists, monkeypatch):
    folder, asked = cubes_of(lists), []
    monkeypatch.setattr(
        "realbogus.stages.build.announce_crops", lambda *_: asked.append("announced")
    )
    early = build(folder, "early.h5")
    assert not asked
    monkeypatch.setattr("realbogus.stages.build._DENSE", 2)
    late = build(folder, "late.h5")
    assert asked
    for first, second in zip(parts(early), parts(late), strict=True):
        assert list(first.names) == list(second.names)
        assert np.array_equal(first.stamps, second.stamps)


def test_many_small_windows_lose_nothing(lists, monkeypatch):
    monkeypatch.setattr("realbogus.stages.build._LARGEST_JOB", 2)
    monkeypatch.setattr("realbogus.stages.build._JOBS_A_WINDOW", 2)
    train, test = parts(build(lists, skew=100, rotation=180))
    names = np.concatenate([test.names, train.names])
    assert sorted(set(names)) == sorted(
        path.name for kind in ("good", "bad") for path in (lists / kind).iterdir()
    )
    assert len(train) == 2 * len(set(train.names))


def test_held_out_nights_are_only_in_the_test_part_and_what_is_lost_is_counted(lists, caplog):
    def some_nights(rows):
        return [
            replace(
                row, obs=f"02a5831{n % 4}o0001c", object=f"{row.object[-1]}{row.stamp[0]}{n // 5}"
            )
            for n, row in enumerate(rows)
        ]

    for name in ("good", "bad"):
        rewrite(lists, name, some_nights)
    path = build(lists, skew=100, holdout_nights=(1,))
    train, test = parts(path)
    assert set(test.traits["night"]) == {58313}
    assert set(train.traits["night"]) <= {58310, 58311, 58312}
    assert not set(train.objects) & set(test.objects)
    results = read_dataset_recipe(path).results
    assert results["held_out_nights"] == [58313]
    assert len(train) + len(test) + results["kept_out_of_training"] == 48
    assert read_dataset_recipe(path).options["holdoutNights"] == [1]


def test_nights_of_bare_names_can_not_be_held_out(lists):
    for name in ("good", "bad"):
        rows = read_list(lists / f"{name}.txt")
        (lists / f"{name}.txt").write_text("".join(f"{row.stamp}\n" for row in rows))
    with pytest.raises(ConfigError, match="holdoutNights: the night of 32 stamps is not known"):
        build(lists, holdout_nights=(1,))


def test_a_kind_that_is_left_without_stamps_is_an_error(lists):
    rewrite(lists, "good", lambda rows: [replace(row, obs="02a58399o0001c") for row in rows])
    with pytest.raises(DatasetError, match="no stamp that can be used is left for train, real"):
        build(lists, holdout_nights=(1,))
    assert not (lists / "dataset.h5").exists()


def test_a_stamp_in_both_lists_is_left_out_whatever_its_objects(lists, caplog):
    shared = read_list(lists / "bad.txt")[0]
    rewrite(
        lists, "good", lambda rows: [*rows, replace(rows[0], object="x", stamp=f"./{shared.stamp}")]
    )
    output = build(lists, skew=100)
    assert read_dataset_recipe(output).results["in_both_lists"] == 2
    assert "in both lists, for different objects" in caplog.text
    assert not any(shared.object in part.objects for part in parts(output))
