"""The server of these tests itself."""

import pytest
from _pytest.outcomes import Failed, Skipped

from tests.mariadb import server
from tests.mariadb.server import Server


@pytest.mark.parametrize(("ci", "outcome"), [("true", Failed), ("", Skipped)])
def test_without_a_server_tests_are_skipped_but_fail_in_continuous_integration(
    monkeypatch, ci, outcome
):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(server, "program", lambda *names: None)
    with pytest.raises(outcome, match="apt-get install mariadb-server"):
        server.require_server()


def test_a_server_leaves_nothing_behind(mariadb):
    other = Server()
    try:
        assert other.start().run("SELECT 1") == ((1,),)
        assert other.port != mariadb.port
    finally:
        other.remove()
    assert not other.folder.exists()
    assert other._process.returncode == 0
