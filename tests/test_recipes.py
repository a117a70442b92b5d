import json

import pytest

from realbogus.errors import FormatError, RecipeError
from realbogus.recipes import Input, Recipe, already_made, find_difference, versions
from tests.helpers import make_recipe


def nested():
    return make_recipe(
        "train", inputs={"trainingset": Input("d.h5", "ab" * 32, make_recipe(e=8))}, seed=1
    )


def test_a_recipe_survives_json_with_the_recipes_of_its_inputs():
    assert Recipe.from_json(nested().to_json()) == nested()


def test_a_recipe_is_one_line():
    assert "\n" not in make_recipe(note="two\nlines").to_json()


def test_the_digest_does_not_depend_on_the_order_of_the_options():
    assert make_recipe(e=10, s=3).digest == make_recipe(s=3, e=10).digest


@pytest.mark.parametrize(
    "other", [make_recipe(e=8), make_recipe("cut"), make_recipe(results={1: 2})]
)
def test_the_digest_changes_with_what_was_made(other):
    assert other.digest != make_recipe().digest
    assert len(other.digest) == 64


def test_versions_name_this_project_and_numpy():
    assert {"psat-ml", "numpy"} <= versions().keys()


DAMAGED = [
    "",
    "[]",
    "null",
    '"text"',
    "{}",
    "{" * 100_000,
    '{"a":' * 100_000,
    make_recipe().to_json()[:-1],
    make_recipe().to_json().replace('"inputs": {}', '"inputs": [1]'),
    make_recipe().to_json().replace('"inputs": {}', '"inputs": {"good": {}}'),
    make_recipe().to_json().replace('"options": {"e": 10}', '"options": 10'),
    make_recipe().to_json().replace("10", "NaN"),
]


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_recipe_is_one_line(text):
    with pytest.raises(FormatError, match="the recipe in the file is damaged"):
        Recipe.from_json(text)


def test_equal_options_do_not_differ_whether_list_or_tuple():
    recorded = Recipe.from_json(make_recipe(mjds=[58310, 58311]).to_json())
    assert find_difference(recorded, options={"mjds": (58310, 58311)}, inputs={}) is None


def test_the_option_that_differs_is_named():
    difference = find_difference(make_recipe(e=8, s=3), options={"s": 3, "e": 10}, inputs={})
    assert difference == "e = 8, not 10"


def test_lists_are_shown_as_people_type_them():
    difference = find_difference(
        make_recipe(mjds=[58310]), options={"mjds": [58310, 58311]}, inputs={}
    )
    assert difference == "mjds = 58310, not 58310,58311"


def test_an_option_that_the_record_does_not_know_differs():
    assert find_difference(make_recipe(e=8), options={"N": "spn"}, inputs={}) == "N = None, not spn"


def test_another_input_is_named():
    difference = find_difference(
        nested(), options={}, inputs={"trainingset": Input("d.h5", "cd" * 32)}
    )
    assert difference == "another trainingset (d.h5, before it changed, or one elsewhere)"


def test_the_same_input_and_one_that_can_not_be_looked_at_do_not_differ():
    for given in (Input("elsewhere.h5", "ab" * 32), None):
        assert find_difference(nested(), options={}, inputs={"trainingset": given}) is None


def test_an_input_that_the_record_does_not_know_differs():
    inputs = {"trainingset": None, "startFrom": Input("old.h5", "ef" * 32)}
    difference = find_difference(nested(), options={}, inputs=inputs)
    assert difference == "startFrom = None, not old.h5"
    difference = find_difference(nested(), options={}, inputs={**inputs, "startFrom": None})
    assert difference == "startFrom = None, not another"


def test_an_input_that_is_recorded_and_not_given_differs_if_all_are_given():
    assert find_difference(nested(), options={}, inputs={}) == "trainingset = d.h5, not None"
    assert find_difference(nested(), options={}, inputs={}, is_whole=False) is None


def test_what_does_not_exist_is_not_made(tmp_path):
    assert not already_made(tmp_path / "none.h5", None, make_recipe())


def test_what_the_same_recipe_made_is_made_whatever_came_of_it(tmp_path):
    assert already_made(tmp_path, make_recipe(results={"train_real": 5}), make_recipe())


def test_a_file_without_recipe_is_never_overwritten(tmp_path):
    with pytest.raises(RecipeError, match="exists and does not say what made it: remove it"):
        already_made(tmp_path, None, make_recipe())


def test_a_file_of_another_recipe_is_an_error_that_names_the_option(tmp_path):
    with pytest.raises(RecipeError, match="exists and was made with e = 8, not 10: remove it"):
        already_made(tmp_path, make_recipe(e=8), make_recipe(e=10))


def test_a_file_of_another_input_is_an_error_that_names_it(tmp_path):
    wanted = make_recipe(inputs={"good": Input("good.txt", "1")})
    recorded = make_recipe(inputs={"good": Input("good.txt", "2")})
    with pytest.raises(RecipeError, match=r"made with another good \(good\.txt"):
        already_made(tmp_path, recorded, wanted)


def test_the_json_has_the_options_by_the_names_that_users_give_them():
    assert json.loads(make_recipe(stampSize=40).to_json())["options"] == {"stampSize": 40}
