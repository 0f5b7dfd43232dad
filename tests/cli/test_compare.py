from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from small_repository import (
    CLASSES,
    FACES,
    MISSES,
    commit,
    git,
    predictions,
    start,
    write_lock,
    write_predictions,
    write_project,
)

from emotion.cli import main

Compare = Callable[..., int]

FEWER = MISSES[40:]
"""Half of the wrong predictions, all on unseen faces: a significant improvement."""


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> Compare:
    """Run `emotion compare` in this process and return its exit status."""

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["emotion", "compare", *arguments])
        with pytest.raises(SystemExit) as ended:
            main.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scratch repository with one commit, in which commands run."""
    start(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def branch(project: Path, misses: tuple[int, ...], epochs: int = 28) -> None:
    git(project, "checkout", "--quiet", "-b", "branch")
    write_project(project, misses, test_misses=misses, epochs=epochs)
    commit(project)


def cells(report: str, start: str) -> list[str]:
    """Return the cells of the row whose first cell starts like this."""
    row = next(line for line in report.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in row.strip("|").split("|")]


def table_below(report: str, title: str) -> list[list[str]]:
    """Return the rows of the table below a heading, without its header."""
    lines = report.split(f"### {title}")[1].split("###")[0].splitlines()
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")][2:]


def test_equal_predictions_are_no_evidence(project: Path, compare: Compare, capsys: pytest.CaptureFixture[str]) -> None:
    branch(project, MISSES)
    assert compare("main", "--fail-if-worse") == 0
    report = capsys.readouterr().out
    assert report.startswith("## `workspace` against `main` (`")
    assert "**Verdict: no evidence of a difference.** Both networks predict the same class for every face." in report
    assert report.count("None.") == 2  # settings, metrics
    assert "changed most" not in report


def test_a_clear_gain_is_better_and_the_reverse_is_worse(
    project: Path, compare: Compare, capsys: pytest.CaptureFixture[str]
) -> None:
    branch(project, FEWER)
    assert compare("main", "branch", "--fail-if-worse") == 0
    report = capsys.readouterr().out
    assert (
        "**Verdict: better.** On 300 unseen validation faces, the accuracy on the labels is 80.00% for `main` "
        "and 86.67% for `branch`: +6.67 points, 95% confidence interval +" in report
    )
    assert cells(report, "`validation` unseen")[1:5] == ["300", "80.00%", "86.67%", "+6.67"]
    assert cells(report, "`validation` unseen")[6:] == ["0", "20", "< 0.001"]
    assert cells(report, "`validation` all")[1:5] == ["400", "80.00%", "90.00%", "+10.00"]
    assert cells(report, "`test` all")[8] == ""  # only the deciding split has a p-value
    assert len(table_below(report, "The 10 validation predictions that changed most")) == 10
    assert compare("branch", "main") == 0
    assert compare("branch", "main", "--fail-if-worse") == 1
    assert "**Verdict: worse.**" in capsys.readouterr().out


def test_a_small_gain_is_no_evidence(project: Path, compare: Compare, capsys: pytest.CaptureFixture[str]) -> None:
    branch(project, MISSES[:-3])
    assert compare("main") == 0
    report = capsys.readouterr().out
    assert "**Verdict: no evidence of a difference.** On 300 unseen validation faces" in report
    assert "p = 0.25 (McNemar's exact test)" in report
    assert "Significant changes in recall on unseen validation faces: none." in report


def test_a_loss_only_on_faces_with_a_copy_in_train_does_not_fail(project: Path, compare: Compare) -> None:
    branch(project, (*MISSES, *range(1, 100, 5), *range(2, 100, 5)))
    assert compare("main", "--fail-if-worse") == 0


def test_changed_settings_and_metrics_are_listed(
    project: Path, compare: Compare, capsys: pytest.CaptureFixture[str]
) -> None:
    branch(project, FEWER, epochs=50)
    (project / "metrics/extra.json").write_text('{"faces": {"train": 9}}')
    assert compare("main") == 0
    report = capsys.readouterr().out
    assert table_below(report, "Settings changed") == [["params.yaml", "train.epochs", "28", "50"]]
    assert table_below(report, "Metrics changed") == [
        ["metrics/extra.json", "faces.train", "-", "9", "-"],
        ["metrics/test.json", "accuracy", "0.8", "0.9", "+0.1"],
        ["metrics/validation.json", "accuracy", "0.8", "0.9", "+0.1"],
    ]


def test_metrics_are_those_of_dvc(project: Path, compare: Compare, capsys: pytest.CaptureFixture[str]) -> None:
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--quiet"], check=True)
    (project / "dvc.yaml").write_text("metrics: [metrics/validation.json, metrics/test.json]\n")
    commit(project)
    branch(project, FEWER)
    assert compare("main") == 0
    rows = table_below(capsys.readouterr().out, "Metrics changed")
    printed = subprocess.run([*dvc, "metrics", "diff", "main", "--md"], check=True, capture_output=True, text=True)
    lines = [line.strip("|").split("|") for line in printed.stdout.splitlines() if line.startswith("| metrics")]
    assert [[cell.strip("+") for cell in row] for row in rows] == sorted(
        [cell.strip() for cell in line] for line in lines
    )
    assert len(rows) == 2


def test_other_faces_are_not_compared(project: Path, compare: Compare, capsys: pytest.CaptureFixture[str]) -> None:
    write_predictions(project, [*predictions("validation", faces=FACES - 10), *predictions("test")])
    assert compare("main", "--fail-if-worse") == 0
    report = capsys.readouterr().out
    assert "**Verdict: not comparable: different data.**" in report
    assert "- `validation`: `10 of 400 faces only in main, 0 of 390 only in workspace, 0 with another label`" in report
    assert "### Classes" not in report


def test_other_classes_are_not_compared(project: Path, compare: Compare, capsys: pytest.CaptureFixture[str]) -> None:
    classes = ("happy", "sad", "surprise")
    write_predictions(project, predictions("validation", classes=classes), classes)
    assert compare("main") == 0
    report = capsys.readouterr().out
    assert "**Verdict: not comparable: different data.**" in report
    assert "`happy, sad, fear in main, happy, sad, surprise in workspace`" in report


def test_a_setting_that_the_pipeline_has_not_run_on_is_a_warning(
    project: Path, compare: Compare, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = hashlib.md5((project / "data/predictions.csv").read_bytes(), usedforsecurity=False).hexdigest()
    params = {"train": {"epochs": 28, "learning_rate": 1e-05}}
    write_lock(project, {"data/predictions.csv": digest}, params)
    commit(project)
    write_project(project, FEWER, epochs=50)
    assert compare("main") == 0
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith(">")]
    assert len(warnings) == 1
    assert (
        "`workspace` differs from the last run in its `dvc.lock`** (`data/predictions.csv`, `train.epochs`)"
        in warnings[0]
    )


def write_stages(project: Path, *, faces_read: str = "1", dpi: int = 50, flip: float = 0.5) -> None:
    """Record a pipeline of three stages, of which the others read these faces, and `plot` drew with this resolution."""
    md5 = hashlib.md5((project / "data/predictions.csv").read_bytes(), usedforsecurity=False).hexdigest()
    written = [{"path": path, "md5": "1"} for path in ("faces", "votes")]
    read = [{"path": path, "md5": faces_read} for path in ("faces", "votes")]
    stages = {
        "preprocess": {"params": {"params.yaml": {"train": {"flip": flip}}}, "outs": written},
        "evaluate": {
            "deps": [*read, {"path": "emotion/files.py", "md5": "9"}],
            "outs": [{"path": "data/predictions.csv", "md5": md5}],
        },
        "plot": {
            "params": {"params.yaml": {"plot": {"dpi": dpi}}},
            "deps": [*read, {"path": "data/predictions.csv", "md5": md5}],
            "outs": [{"path": "plots", "md5": "2"}],
        },
    }
    (project / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": stages}))
    (project / "params.yaml").write_text("train: {flip: 0.5}\nplot: {dpi: 50}\n")


@pytest.mark.parametrize(
    ("recorded", "named"),
    [({"faces_read": "0"}, "`faces, votes, newer than what evaluate, plot read`"), ({"flip": 0.4}, "`train.flip`")],
)
def test_no_verdict_is_given_over_predictions_that_are_older_than_data_or_settings(
    project: Path, compare: Compare, capsys: pytest.CaptureFixture[str], recorded: dict[str, Any], named: str
) -> None:
    write_stages(project, **recorded)
    assert compare("main") == 0
    title, warning, verdict, *rest = capsys.readouterr().out.split("\n\n")
    assert title.startswith("## ")
    assert warning.startswith(f"> **`workspace` differs from the last run in its `dvc.lock`** ({named})")
    assert verdict == ("**Verdict: withheld.** The predictions of `workspace` are older than its settings or data.")
    assert "verdict" not in "".join(rest)
    assert compare("main", "--fail-if-worse") == 2
    line = capsys.readouterr().err
    assert line == "emotion: there is no verdict on workspace; run dvc repro and commit the result\n"


def test_an_older_figure_is_a_warning_and_withholds_no_verdict(
    project: Path, compare: Compare, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stages(project, dpi=300)
    assert compare("main", "--fail-if-worse") == 0
    report = capsys.readouterr().out
    assert "differs from the last run in its `dvc.lock`** (`plot.dpi`)" in report
    assert "**Verdict: no evidence of a difference.**" in report


def test_results_of_the_recorded_run_have_no_warning(
    project: Path, compare: Compare, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stages(project)
    assert compare("main", "--fail-if-worse") == 0
    assert "> " not in capsys.readouterr().out


def png(colour: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (2, 2), colour).save(stream, "png")
    return stream.getvalue()


def test_page_has_the_report_and_the_pictures_of_both_revisions_and_loads_nothing(
    project: Path, compare: Compare, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = project / "plots/pictures"
    folder.mkdir(parents=True)
    for name in ("confusion", "old", "same"):
        (folder / f"{name}.png").write_bytes(png(1))
    commit(project)
    branch(project, FEWER)
    (folder / "confusion.png").write_bytes(png(2))
    (folder / "old.png").unlink()
    assert compare("main", "--html", "build/page.html") == 0
    page = (project / "build/page.html").read_text()
    assert "**Verdict: better.**" in capsys.readouterr().out
    assert "<strong>Verdict: better.</strong>" in page
    assert "<td>+6.67</td>" in page
    shown = re.findall(r"<h3>(\w+)</h3>\n<div class=\"pair\">(.*)</div>", page)
    assert [(name, re.findall("<figcaption>(.*?)</figcaption>", figures)) for name, figures in shown] == [
        ("confusion", ["main", "workspace"]),
        ("old", ["main", "workspace: none"]),
        ("same", ["both"]),
    ]
    embedded = [b64decode(text) for text in re.findall('data:image/png;base64,([^"]+)', page)]
    assert embedded == [png(1), png(2), png(1), png(1)]
    assert not re.search(r"https?:|<script|<link|url\(", page)


def test_names_from_files_are_text_on_the_page(project: Path, compare: Compare) -> None:
    rows = [*predictions("validation"), *predictions("test")]
    for row in rows:
        row[1] = f"{row[1]}<script>alert(1)</script>"
    write_predictions(project, rows)
    commit(project)
    rows[1][3] = CLASSES[2]
    write_predictions(project, rows)
    assert compare("main", "--html", "page.html") == 0
    page = (project / "page.html").read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page


def test_page_that_cannot_be_written_is_one_line(
    project: Path, compare: Compare, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "file").touch()
    assert compare("main", "--html", "file/page.html") == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.startswith("emotion: file")
    assert "Errno" not in line


def test_folder_in_place_of_a_page_is_wrong_usage(
    project: Path, compare: Compare, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "pages").mkdir()
    assert compare("main", "--html", "pages") == 2
    assert "file 'pages' is a directory." in capsys.readouterr().err.lower()


def test_missing_packages_are_one_line_and_exit_with_2(
    project: Path, compare: Compare, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    branch(project, FEWER)
    assert compare("main", "--fail-if-worse") == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("emotion: the packages of the extra pipeline are not installed (")
    assert printed.err.endswith("pip install '.[pipeline]'\n")


@pytest.mark.parametrize("name", ["nosuch", "--", "0123456", "main:params.yaml", "-x"])
def test_unknown_revision_is_one_line_and_exits_with_2(
    project: Path, compare: Compare, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert project.is_dir()
    assert compare("--", name) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"{name!r} is not a branch, tag or commit of this repository" in printed.err
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize("missing", ["data/predictions.csv", "params.yaml"])
def test_missing_file_is_one_line_that_says_where(
    project: Path, compare: Compare, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    git(project, "rm", "--quiet", missing)
    commit(project)
    write_project(project)
    assert compare("main") == 2
    expected = f"emotion: main, {missing}: the file is missing; run dvc repro there and commit the result\n"
    assert capsys.readouterr() == ("", expected)
    (project / missing).unlink()
    assert compare("main~1") == 2
    expected = f"emotion: workspace, {missing}: the file is missing; run dvc repro\n"
    assert capsys.readouterr() == ("", expected)


def test_revision_that_called_duplicates_twins_is_compared(
    compare: Compare, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [*predictions("validation", MISSES), *predictions("test", MISSES)]
    write_predictions(project, rows, duplicate="twin")
    commit(project)
    write_project(project)
    assert compare("HEAD") == 0
    assert "Both networks predict the same" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "content", "received"),
    [
        ("data/predictions.csv", "face,emotion\n", "received face, emotion"),
        ("data/predictions.csv", "", "received none"),
        (
            "data/predictions.csv",
            "split,name,actual,predicted,a,b,duplicate\nvalidation,x,a,a,0.5\n",
            "expected a class, probabilities",
        ),
        (
            "data/predictions.csv",
            "split,name,actual,predicted,a,b,duplicate\nvalidation,x,c,a,0.5,0.5,0\n",
            "expected a class, probabilities",
        ),
        (
            "data/predictions.csv",
            f"split,name,actual,predicted,a,b,duplicate\n{'x' * 140_000}\n",
            "larger than field limit",
        ),
        ("metrics/test.json", "{", "the file is not valid JSON"),
        ("params.yaml", "train: [", "the file is not valid YAML"),
        ("metrics/test.json", "[1]", "expected keys with values, received [1]"),
        ("params.yaml", "text", "expected keys with values, received 'text'"),
        ("dvc.lock", "stages: 3", "expected stages as DVC writes them"),
    ],
)
def test_broken_file_is_one_line(
    project: Path, compare: Compare, capsys: pytest.CaptureFixture[str], path: str, content: str, received: str
) -> None:
    (project / path).write_text(content)
    assert compare("main") == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("emotion: workspace, ")
    assert received in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)


def test_outside_a_repository_is_one_line(
    tmp_path: Path, compare: Compare, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert compare("main") == 2
    assert capsys.readouterr().err == (
        f"emotion: {tmp_path} is not in a Git repository; run the command in the project's clone\n"
    )


def test_a_project_below_the_top_of_its_repository_is_found(
    tmp_path: Path, compare: Compare, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "projects" / "emotion"
    git(tmp_path, "init", "--quiet")
    write_project(folder)
    commit(tmp_path)
    monkeypatch.chdir(folder)
    assert compare("HEAD", "main") == 0
    assert len(table_below(capsys.readouterr().out, "Metrics changed")) == 0


def test_names_from_files_neither_break_a_table_nor_mention_a_user(
    project: Path, compare: Compare, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [*predictions("validation"), *predictions("test")]
    for row in rows:
        row[1] = f"{row[1]}|`@everyone` <b>"
    write_predictions(project, rows)
    commit(project)
    rows[1][3] = CLASSES[2]
    write_predictions(project, rows)
    (project / "metrics/@all.json").write_text('{"`x`|y": "|"}')
    assert compare("main") == 0
    report = capsys.readouterr().out
    bare = re.sub(r"`[^`\n]*`", "", report)
    assert "@" not in bare
    assert "<b>" not in bare
    for line in report.splitlines():
        if line.startswith("| `test/"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 5


def test_a_shortened_commit_is_its_own_title(
    project: Path, compare: Compare, capsys: pytest.CaptureFixture[str]
) -> None:
    name = git(project, "rev-parse", "HEAD")
    assert compare(name) == 0
    assert capsys.readouterr().out.startswith(f"## `workspace` against `{name[:7]}`\n")
