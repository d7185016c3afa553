"""The file that embedded backends share."""

import threading

import pytest

from brickwork.data.sidefile import SideFile
from brickwork.errors import UnavailableError

SCHEMA = "CREATE TABLE IF NOT EXISTS number (n INTEGER)"


@pytest.fixture
def file(tmp_path):
    made = SideFile(tmp_path / "folder" / "numbers.db", SCHEMA)
    yield made
    made.close()


def _add(file, number):
    with file.writing() as connection:
        connection.execute("INSERT INTO number VALUES (?)", (number,))


def test_writers_of_many_threads_lose_nothing(file):
    threads = [threading.Thread(target=_add, args=(file, number)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with file.reading() as connection:
        assert connection.execute("SELECT count(*) FROM number").fetchone() == (40,)


def test_threads_that_end_leave_no_connections(file):
    for number in range(30):
        thread = threading.Thread(target=_add, args=(file, number))
        thread.start()
        thread.join()
    assert len(file._idle) == 1


def test_a_block_that_fails_leaves_nothing(file):
    with pytest.raises(KeyError), file.writing() as connection:
        connection.execute("INSERT INTO number VALUES (1)")
        raise KeyError
    with file.reading() as connection:
        assert connection.execute("SELECT count(*) FROM number").fetchone() == (0,)


def test_a_place_that_is_none_is_told(tmp_path):
    (tmp_path / "folder").write_text("in the way")
    with pytest.raises(UnavailableError, match="folder can't be used"), SideFile(tmp_path / "folder" / "x.db", SCHEMA).reading():
        pytest.fail("there is no such folder")
