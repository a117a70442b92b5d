import re
import stat
from pathlib import Path

import pytest
import yaml

from realbogus.config import load_config, write_config
from realbogus.errors import ConfigError
from realbogus.remotes import Remote

SERVER = {"username": "reader", "password": "hunter2", "hostname": "db1", "database": "atlas4"}


def write(folder, content=None, **blocks):
    path = folder / "config.yaml"
    blocks = {"databases": {"local": SERVER}, **blocks}
    path.write_text(yaml.safe_dump(blocks) if content is None else content)
    return path


def test_the_file_that_people_have_is_read_as_it_is(tmp_path):
    others = {"code_paths": {"ps1": "/code"}, "web_credentials": ["user", 1], "tns_api": None}
    config = load_config(write(tmp_path, version=1, **others))
    assert config.survey == "atlas"
    assert str(config.images.root) == "/atlas/diff"
    assert config.database.hostname == "db1"
    assert config.database.password == "hunter2"


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path):
    config = load_config(
        write(
            tmp_path,
            databases={"local": {"url": "sqlite:///survey.db"}},
            images={"root": "diff"},
            classifiers={"02a": "models/02a.h5"},
        )
    )
    assert config.database.url == f"sqlite:///{tmp_path}/survey.db"
    assert config.images.root == tmp_path / "diff"
    assert config.classifiers == {"02a": tmp_path / "models/02a.h5"}
    assert config.ledger == tmp_path / "ledger"
    assert load_config(write(tmp_path, ledger="kept/here")).ledger == tmp_path / "kept/here"


def test_the_place_to_fetch_from_is_read(tmp_path):
    config = load_config(write(tmp_path, images={"remote": "copies/diff"}))
    assert config.images.remote == Remote("file", str(tmp_path / "copies/diff"))
    assert load_config(write(tmp_path)).images.remote is None


def test_an_absolute_database_file_stays_where_it_is(tmp_path):
    url = "sqlite:////data/survey.db"
    config = load_config(write(tmp_path, databases={"local": {"url": url}}))
    assert config.database.url == url


def test_the_password_can_come_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("ATLAS_PASSWORD", "swordfish")
    server = {**SERVER, "password": None, "password_env": "ATLAS_PASSWORD"}
    config = load_config(write(tmp_path, databases={"local": server}))
    assert config.database.password == "swordfish"


def test_a_password_of_digits_is_text(tmp_path):
    config = load_config(write(tmp_path, databases={"local": {**SERVER, "password": 1234}}))
    assert config.database.password == "1234"


def test_nothing_that_is_shown_of_a_configuration_has_the_password(tmp_path):
    config = load_config(write(tmp_path))
    url = "mysql+pymysql://reader:hunter2@db1/atlas4"
    by_url = load_config(write(tmp_path, databases={"local": {"url": url}}))
    assert "hunter2" not in f"{config!r} {config} {by_url!r} {by_url}"


def test_label_thresholds_are_numbers(tmp_path):
    config = load_config(write(tmp_path, labels={"pkn_above": 950, "zooniverse_below": 0.1}))
    assert config.labels == {"pkn_above": 950.0, "zooniverse_below": 0.1}


LOCAL = {"databases": {"local": SERVER}}
BAD = [
    ({"version": 2}, "version must be 1"),
    ({"version": "one"}, "version must be a whole number; got str"),
    ({"survey": "ztf"}, "survey must be one of atlas, ps1; got 'ztf'"),
    ({"survey": 1}, "survey must be text; got int"),
    ({"databases": None}, "databases is missing"),
    ({"databases": []}, "databases must be a block of keys; got a list"),
    ({"databases": {"local": "hunter2"}}, "databases.local must be a block of keys; got str"),
    ({"databases": {"remote": SERVER}}, "databases.local is missing"),
    ({"databases": {"local": {"url": "db1"}}}, "databases.local.url must begin with 'sqlite:///'"),
    ({"images": {"root": 7}}, "images.root must be text; got int"),
    ({"images": {"remote": 7}}, "images.remote must be text; got int"),
    ({"images": {"remote": "ftp://db1/x"}}, "images.remote must be one of user@host:/path, rsync:"),
    ({"images": {"remote": "-e sh db1:/x"}}, "images.remote must be one of user@host:/path"),
    ({"labels": {"pkn_above": "high"}}, "labels.pkn_above must be a number; got str"),
    ({"labels": {"pkn_above": True}}, "labels.pkn_above must be a number; got bool"),
    ({"labels": {"pkn_above": float("nan")}}, "labels.pkn_above must be a finite number"),
    ({"labels": {"pkn_above": 10**400}}, "labels.pkn_above must be a finite number"),
    ({"classifiers": {"02a": ["x"]}}, "classifiers.02a must be text; got a list"),
]


@pytest.mark.parametrize(("blocks", "message"), BAD)
def test_a_bad_value_is_named_by_its_place(tmp_path, blocks, message):
    with pytest.raises(ConfigError, match=re.escape(f"config.yaml: {message}")):
        load_config(write(tmp_path, **blocks))


@pytest.mark.parametrize("key", SERVER)
def test_a_missing_part_of_the_account_is_named(tmp_path, key):
    server = {name: value for name, value in SERVER.items() if name != key}
    with pytest.raises(ConfigError, match=rf"databases\.local\.{key} is missing"):
        load_config(write(tmp_path, databases={"local": server}))


def test_an_unset_password_variable_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("NO_SUCH", raising=False)
    server = {**SERVER, "password_env": "NO_SUCH"}
    with pytest.raises(ConfigError, match="the variable NO_SUCH is not set"):
        load_config(write(tmp_path, databases={"local": server}))


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_is_none_is_an_error(tmp_path, port):
    with pytest.raises(ConfigError, match=rf"databases\.local\.port must be .*; got {port}"):
        load_config(write(tmp_path, databases={"local": {**SERVER, "port": port}}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("databases: [", r"not valid YAML \(line 1\)"),
        ("a: 1\n\tb: 2\n", r"not valid YAML \(line 2\)"),
        ("a: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
        ("when: 2024-13-45\n", "not valid YAML"),
        ("[" * 5000, "not valid YAML"),
        ("just text", "holds no block of keys"),
        ("", "holds no block of keys"),
    ],
)
def test_what_is_not_a_configuration_is_one_line(tmp_path, content, message):
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, content))


def test_bytes_are_no_configuration(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not a text file"):
        load_config(path)


def test_a_missing_configuration_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"configFile: .*none\.yaml does not exist"):
        load_config(tmp_path / "none.yaml")


def test_a_written_configuration_is_read_back_and_is_for_its_owner_only(tmp_path):
    path = tmp_path / "config.yaml"
    write_config(path, {**LOCAL, "survey": "ps1"})
    assert load_config(path).survey == "ps1"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"port": 0}, "port must be from 1 to 65535; got 0"),
        ({"port": "3306"}, "port must be a whole number; got str"),
        ({"timeout": 0}, "timeout must be from 1 to 86400; got 0"),
        ({"timeout": 1.5}, "timeout must be a whole number; got float"),
        ({"unix_socket": 1}, "unix_socket must be text; got int"),
        ({"ssl_ca": ["x"]}, "ssl_ca must be text; got a list"),
        ({"option_file": True}, "option_file must be text; got bool"),
        ({"option_file": "none.cnf"}, "option_file: "),
    ],
)
def test_a_bad_way_to_the_server_is_named(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=re.escape(f"databases.local.{message}")) as caught:
        load_config(write(tmp_path, databases={"local": {**SERVER, **changes}}))
    assert "hunter2" not in str(caught.value)


def test_an_account_can_come_from_an_option_file(tmp_path):
    (tmp_path / "my.cnf").write_text(
        "[mysqld]\nport = 1\n"
        "[client]\nuser=reader\npassword = 'sword#fish = 1'\nhost=db2\nport=3307\n"
        "ssl-ca=/etc/ca.pem\nquick\n# a comment\n!includedir /etc/mysql\n"
    )
    local = {"option_file": "my.cnf", "database": "atlas4"}
    found = load_config(write(tmp_path, databases={"local": local})).database
    assert (found.username, found.password) == ("reader", "sword#fish = 1")
    assert (found.hostname, found.port, found.ssl_ca) == ("db2", 3307, "/etc/ca.pem")


def test_the_configuration_overrules_the_option_file(tmp_path):
    (tmp_path / "my.cnf").write_text("[client]\nuser=other\npassword=x\nport=3307\n")
    local = {**SERVER, "option_file": "my.cnf", "port": 3308}
    found = load_config(write(tmp_path, databases={"local": local})).database
    assert (found.username, found.password, found.port) == ("reader", "hunter2", 3308)


def test_an_option_file_is_found_from_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".my.cnf").write_text("[client]\npassword=swordfish\n")
    local = {**SERVER, "password": None, "option_file": "~/.my.cnf"}
    found = load_config(write(tmp_path, databases={"local": local})).database
    assert found.password == "swordfish"


@pytest.mark.parametrize(
    "content", ["swordfish", "[client\npassword=swordfish", "[client]\n =swordfish"]
)
def test_a_damaged_option_file_is_named_without_its_words(tmp_path, content):
    (tmp_path / "my.cnf").write_text(content)
    local = {"option_file": "my.cnf", "database": "atlas4"}
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, databases={"local": local}))
    assert "swordfish" not in str(caught.value)


def test_a_port_of_an_option_file_that_is_no_number_is_named(tmp_path):
    (tmp_path / "my.cnf").write_text("[client]\nport=swordfish\n")
    with pytest.raises(ConfigError, match=r"option_file: port must be a whole number$"):
        load_config(write(tmp_path, databases={"local": {**SERVER, "option_file": "my.cnf"}}))


def test_a_socket_needs_neither_host_nor_password(tmp_path):
    local = {"username": "reader", "database": "atlas4", "unix_socket": "/run/mysqld.sock"}
    found = load_config(write(tmp_path, databases={"local": local})).database
    assert (found.unix_socket, found.password) == ("/run/mysqld.sock", None)


def test_stamps_are_where_the_images_are_unless_they_have_a_root_of_their_own(tmp_path):
    path = tmp_path / "config.yaml"
    database = "databases: {local: {url: 'sqlite:///survey.db'}}\n"
    path.write_text(f"{database}images: {{root: diff}}\n")
    assert load_config(path).images.stamp_root == tmp_path / "diff"
    path.write_text(f"{database}images: {{root: diff, stamps: /psdb/images}}\n")
    assert load_config(path).images.stamp_root == Path("/psdb/images")
