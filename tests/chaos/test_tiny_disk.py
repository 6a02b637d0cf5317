"""A disk that can be filled up and cleared again."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.tiny_disk import TinyDisk, why_not


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[TinyDisk]:
    if why_not() is not None:
        pytest.skip(str(why_not()))
    mounted = TinyDisk(tmp_path / "disk")
    yield mounted
    mounted.close()


def test_a_full_disk_takes_nothing_until_it_is_cleared(disk: TinyDisk) -> None:
    file = disk.folder / "file"
    file.write_bytes(b"before")
    disk.fill()
    with pytest.raises(OSError, match="space") as caught:
        (disk.folder / "more").write_bytes(b"x" * 100_000)
    assert caught.value.errno == errno.ENOSPC
    disk.clear()
    (disk.folder / "more").write_bytes(b"x" * 100_000)
    assert file.read_bytes() == b"before"
