from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from emotion.errors import EmotionError
from emotion.scoring import listing, partition, pipeline, run, statistics
from emotion.scoring.run import Prepared, count_kept
from emotion.scoring.statistics import Statistics
from emotion.scoring.tries import MOST, Tries
from emotion.scoring.worker import KILLED, Job, Scorer

Prepare = Callable[..., Prepared]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def score_first(prepared: Prepared) -> None:
    Scorer(prepared.job)(listing.read(prepared.job.out, 0))


@pytest.fixture
def score_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `run.score` score in this process, without Ray."""

    def score(job: Job, partitions: int, _: int) -> Iterator[tuple[int, Statistics]]:
        for number in range(partitions):
            (text,) = Scorer(job)(listing.read(job.out, number)).column("statistics").to_pylist()
            yield number, statistics.parse(text)

    monkeypatch.setattr(pipeline, "running", lambda *_: nullcontext())
    monkeypatch.setattr(pipeline, "workers_for", lambda *_: 1)
    monkeypatch.setattr(pipeline, "score", score)


def test_new_output_has_everything_to_do(prepare: Prepare) -> None:
    prepared = prepare()
    assert (prepared.pictures, prepared.left, prepared.complete) == (42, 42, None)
    assert prepared.left_out == {".txt": 1}


def test_later_run_goes_on_with_the_partitions_that_are_missing(prepare: Prepare) -> None:
    score_first(prepare())
    again = prepare()
    assert again.begun.finished == {0}
    assert (again.pictures, again.left, count_kept(again)) == (42, 10, 32)


def test_run_that_began_in_another_folder_finds_its_pictures(
    prepare: Prepare, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures.parent)
    first = prepare(source="pictures")
    monkeypatch.chdir(pictures)
    again = prepare(source=".")
    assert again.job.sources == first.job.sources
    assert again.job.sources.base == str(pictures.parent)


def test_pictures_that_came_later_are_not_in_the_listing(prepare: Prepare, pictures: Path) -> None:
    prepare()
    (pictures / "00-new.png").touch()
    assert prepare().pictures == 42


def test_run_that_was_stopped_while_it_listed_lists_again(prepare: Prepare, tmp_path: Path) -> None:
    prepare()
    (tmp_path / "out/work/settings.json").unlink()
    assert prepare().left == 42


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"cropped": True}, "cropped False, not True"),
        ({"limit": 5}, "limit none, not 5"),
        ({"smallest": 99, "largest": True}, "smallest none, not 99, largest False, not True"),
        ({"model": None}, "network [0-9a-f]{12}, not [0-9a-f]{12}"),
    ],
)
def test_other_settings_are_refused_and_nothing_is_changed(
    prepare: Prepare, tmp_path: Path, changes: dict[str, object], text: str
) -> None:
    score_first(prepare())
    before = snapshot(tmp_path / "out")
    with pytest.raises(EmotionError, match=rf"out holds results with other settings \({text}\); nothing was changed"):
        prepare(**changes)
    assert snapshot(tmp_path / "out") == before


def test_no_resume_refuses_results_that_are_there(prepare: Prepare) -> None:
    prepare()
    with pytest.raises(EmotionError, match="holds results already; choose another folder, or leave out --no-resume"):
        prepare(resume=False)


def test_folder_with_other_files_is_refused(prepare: Prepare, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/diary.txt").touch()
    with pytest.raises(EmotionError, match=r"out holds other files \(diary.txt\); choose a new folder"):
        prepare()


@pytest.mark.parametrize("name", ["work/", "work/tries/", "work/report.txt", "work/listing/notes.txt"])
def test_work_folder_of_something_else_is_refused(prepare: Prepare, tmp_path: Path, name: str) -> None:
    path = tmp_path / "out" / name
    (path if name.endswith("/") else path.parent).mkdir(parents=True)
    if not name.endswith("/"):
        path.touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(EmotionError, match=rf"out holds other files \({name.rstrip('/')}\); choose a new folder"):
        prepare()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["listing/.000000.partial.parquet", ".settings.partial.json", "settings.json.partial"])
def test_run_that_was_stopped_while_it_wrote_its_listing_lists_again(
    prepare: Prepare, tmp_path: Path, name: str
) -> None:
    prepare()
    (tmp_path / "out/work/settings.json").rename(tmp_path / "out/work" / name)
    assert prepare().left == 42


def test_folder_without_pictures_is_told(prepare: Prepare, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(EmotionError, match=r"there are no pictures in .*nothing; choose another folder"):
        prepare(source=str(tmp_path / "nothing"))


def test_limit_takes_the_first_pictures(prepare: Prepare) -> None:
    assert prepare(limit=33).begun.totals.partitions == 2


@pytest.mark.usefixtures("score_here")
def test_complete_run_gives_its_manifest(prepare: Prepare) -> None:
    result = run.score(prepare(), lambda _: None)
    assert (prepare().complete, prepare().lost) == (result, 0)


@pytest.mark.usefixtures("score_here")
def test_deleted_file_of_a_complete_run_is_noticed_and_made_again(prepare: Prepare, tmp_path: Path) -> None:
    result, path, seen = run.score(prepare(), lambda _: None), tmp_path / "out/faces/part-000001.parquet", []
    content = path.read_bytes()
    path.unlink()
    prepared = prepare()
    assert (prepared.complete, prepared.lost, prepared.left) == (None, 1, 10)
    again = run.score(prepared, lambda pictures: seen.append((pictures, (tmp_path / "out/manifest.json").exists())))
    assert seen == [(10, False)]
    assert (path.read_bytes(), again["labels"]) == (content, result["labels"])
    assert prepare().complete == again


def test_files_that_are_no_partitions_do_not_count_as_finished(prepare: Prepare, tmp_path: Path) -> None:
    prepared = prepare()
    (tmp_path / "out/faces").mkdir()
    (tmp_path / "out/faces/.part-000001.partial.parquet").touch()
    assert partition.finished(prepared.job.out) == set()


@pytest.mark.parametrize("content", ["{", "{}", "[]"])
def test_damaged_settings_are_one_line(prepare: Prepare, tmp_path: Path, content: str) -> None:
    prepare()
    (tmp_path / "out/work/settings.json").write_text(content)
    with pytest.raises(EmotionError, match=r"settings\.json is damaged; choose another folder"):
        prepare()


def test_damaged_manifest_is_one_line(prepare: Prepare, tmp_path: Path) -> None:
    prepare()
    (tmp_path / "out/manifest.json").write_text("{")
    with pytest.raises(EmotionError, match=r"manifest\.json is damaged; delete it and run the same command again"):
        prepare()


@pytest.mark.usefixtures("score_here")
def test_picture_in_hand_when_runs_were_stopped_is_not_blamed(prepare: Prepare) -> None:
    for _ in range(MOST):
        Tries(prepare().job.out, 0).start(5)
    result = run.score(prepare(), lambda _: None)
    assert result["pictures"] == 42
    assert KILLED not in result["faults_by_reason"]
