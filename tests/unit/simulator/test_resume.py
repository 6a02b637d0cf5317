from pathlib import Path

import pytest

from simulator.resume import Progress, ResumeError, load, save

PROGRESS = Progress(seed=7, lifts=2, until_ms={"L0001": 1_772_418_000_000, "L0002": 1_772_418_000_001}, scripts_ms=[5])


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "resume.json"
    save(path, PROGRESS)
    assert load(path, 7, 2) == PROGRESS
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_not_there_is_a_first_start(tmp_path: Path) -> None:
    assert load(tmp_path / "resume.json", 7, 2) is None


@pytest.mark.parametrize(("seed", "lifts"), [(8, 2), (7, 3)])
def test_the_file_of_another_fleet_is_refused(tmp_path: Path, seed: int, lifts: int) -> None:
    path = tmp_path / "resume.json"
    save(path, PROGRESS)
    with pytest.raises(ResumeError, match="of seed 7 with 2 lifts"):
        load(path, seed, lifts)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"seed": 7}', b"\xff", b'{"seed":7,"lifts":2,"until_ms":{"L1":-1}}']
)
def test_a_file_that_is_no_resume_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "resume.json"
    path.write_bytes(content)
    with pytest.raises(ResumeError, match=r"resume\.json"):
        load(path, 7, 2)


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResumeError):
        load(tmp_path, 7, 2)
