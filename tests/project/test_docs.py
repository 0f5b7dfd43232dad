"""The documents: links lead somewhere, names exist, and every figure is that of its file."""

from __future__ import annotations

import csv
import json
import re
import tomllib
from typing import Any, Literal, get_args, get_origin

import pytest
import yaml
from documents import PAGES, ROOT, blocks, command_of, read, rows, spans

from benchmarks import accuracy
from emotion.params import Params
from emotion.server import uploads

DOCUMENTS = [*PAGES, "CHANGELOG.md"]
SETTINGS: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))

WRITTEN = ("build/", "data/", "models/", "dvc_plots/", "plots/faces/")
"""What the pipeline or a person puts there; a fresh clone has none of it."""


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(text: str) -> set[str]:
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


def without_code(page: str) -> str:
    return re.sub(r"^```.*?^```$", "", read(page), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", DOCUMENTS)
def test_links_lead_somewhere(page: str) -> None:
    here = ROOT / page
    for link in re.findall(r"\]\(([^)]+)\)", without_code(page)):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = here.parent / name if name else here
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


def test_an_anchor_is_made_as_github_makes_it() -> None:
    assert slug("The web page: `emotion serve`") == "the-web-page-emotion-serve"


@pytest.mark.parametrize("page", PAGES)
def test_files_of_the_project_that_a_document_names_exist(page: str) -> None:
    named = [span for span in spans(page) if re.fullmatch(r"(\.?[\w-]+/)+[\w.-]*", span)]
    kept = [name for name in named if not name.startswith(WRITTEN)]
    inside = [name for name in kept if (ROOT / name.split("/")[0]).is_dir()]
    assert [name for name in inside if not (ROOT / name).exists()] == []


def test_contributing_names_files_to_change() -> None:
    files = [row[1].strip("`") for row in rows("CONTRIBUTING.md", "Where to change what")]
    assert len(files) > 4
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_table_of_levels_is_the_contract_that_import_linter_checks() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    (layers,) = [each["layers"] for each in tools["importlinter"]["contracts"] if "containers" in each]
    table = re.findall(r"^\| (\d+) \| `(\w+)` \|", read("CONTRIBUTING.md"), re.MULTILINE)
    levels = {str(len(layers) - place): set(layer.split(" | ")) for place, layer in enumerate(layers)}
    assert {level: {part for each, part in table if each == level} for level, _ in table} == levels


def test_an_entry_of_the_decisions_has_at_most_ten_lines() -> None:
    entries = re.split(r"^## ", read("docs/decisions.md"), flags=re.MULTILINE)[1:]
    assert len(entries) > 20
    assert [entry.split("\n")[0] for entry in entries if len(entry.strip().splitlines()) > 11] == []


def setting_named(name: str) -> Any:
    """Return the type of a setting by its dotted name."""
    model: Any = Params
    for key in name.split("."):
        model = model.model_fields[key].annotation
    return model


@pytest.mark.parametrize("page", PAGES)
def test_settings_that_a_document_names_exist(page: str) -> None:
    named = {span.split("=")[0].split(":")[0] for span in spans(page)}
    inside = {name for name in named if name.split(".")[0] in SETTINGS and "." in name}
    for name in inside - {"train.npz", "train.csv"}:
        setting_named(name)


def test_table_of_settings_has_every_choice() -> None:
    table = rows("docs/experiments.md", "Settings")
    assert len(table) > 5
    for name, text in ((row[0].strip("`"), row[1]) for row in table):
        kind = setting_named(name)
        if get_origin(kind) is Literal:
            assert set(map(str, get_args(kind))) <= set(re.findall(r"`(\w+)`", text)), name


def test_epochs_are_the_committed_ones() -> None:
    assert f"{SETTINGS['train']['epochs']} epochs" in read("docs/experiments.md")


def test_minutes_of_training_are_those_of_the_decisions() -> None:
    assert "took 102 minutes on two cores" in read("docs/experiments.md")
    assert "in 102 minutes on 2 cores" in read("docs/decisions.md")


def test_number_of_training_faces_is_that_of_the_data() -> None:
    faces = json.loads((ROOT / "metrics/data.json").read_text(encoding="utf-8"))["faces"]
    assert f"{faces['train']:,} faces" in read("docs/data.md")


def test_share_of_uncertain_faces_is_the_committed_one() -> None:
    assert f"least confident {1 - SETTINGS['export']['certain']:.0%}\n" in read("docs/use.md")


def test_limits_of_the_server_are_those_that_it_sets() -> None:
    text = read("docs/use.md")
    assert f"up to {uploads.MAX_BYTES // 1_000_000} MB and {uploads.MAX_PIXELS // 1_000_000} million pixels" in text


def test_committed_source_and_precision_are_named_as_such() -> None:
    assert f"`download.source: {SETTINGS['download']['source']}`, the committed setting" in read("docs/data.md")
    assert f"committed precision, `{SETTINGS['train']['precision']}`" in read("docs/experiments.md")


def test_experiment_on_drawn_faces_is_that_of_the_demo() -> None:
    found = re.search(r"^DEMO_SETTINGS := (.*)$", read("Makefile"), re.MULTILINE)
    assert found
    expected = " ".join(f"-S {setting}" for setting in found[1].split())
    assert command_of("docs/data.md", "dvc exp run -S download.source=sample") == f"dvc exp run {expected}"


def test_speeds_are_the_measured_ones() -> None:
    measured = "".join(read(f"benchmarks/{name}.md") for name in ("use", "results", "accuracy", "web"))
    networks = ("The network alone", "The network in int8")
    headings = ("Prediction", "The page without a server", *networks, "Training and the pipeline")
    table = [row for heading in headings for row in rows("docs/performance.md", heading)]
    assert len(table) > 20
    assert [row for row in table if f"| {row[0]} | {row[1]} |" not in measured] == []


def test_costs_of_scoring_are_the_measured_ones() -> None:
    measured = read("benchmarks/scoring.md")
    table = rows("docs/scale.md", "What it costs")
    assert len(table) == 11
    assert [row for row in table if f"| {row[0]} | {row[1]} |" not in measured] == []


def test_the_prose_on_speed_has_no_figure_of_its_own() -> None:
    prose = re.sub(r"^\|.*$|\[.*?\]\(.*?\)", "", read("docs/performance.md"), flags=re.MULTILINE)
    assert set(re.findall(r"\d+", prose)) == {"512", "64", "48", "32", "40", "16", "8"}  # AVX-512, faces, pixels, bits


def test_recipe_table_says_what_the_experiments_measured() -> None:
    with (ROOT / "docs/recipes.csv").open(encoding="utf-8") as stream:
        measured = list(csv.DictReader(stream))
    table = {re.findall(r"`(\w+)`", row[0])[0]: row for row in rows("docs/recipes.md", "Published recipes")}
    assert list(table) == ["default", *reversed([run["Experiment"] for run in measured if run["Experiment"]])]
    for run in measured:
        _, *cells, _ = table[run["Experiment"] or "default"]
        names = ("accuracy", "accuracy_unseen", "macro_f1", "accuracy_votes", "balanced_accuracy_votes")
        values = [run[f"metrics/test.json:{name}"] for name in names]
        shares = [f"{float(value):.2%}" if value else "" for value in values]
        assert cells == [*shares, f"{int(float(run['parameters'])):,}", run["train.epochs"]]


def test_weighted_f1_of_six_classes_is_the_measured_one() -> None:
    with (ROOT / "docs/recipes.csv").open(encoding="utf-8") as stream:
        six = next(run for run in csv.DictReader(stream) if run["Experiment"] == "batchnorm_six")
    assert f"weighted F1 on them is {float(six['metrics/test.json:weighted_f1']):.2%}" in read("docs/recipes.md")


def test_recipe_on_labels_is_the_one_whose_minutes_are_measured() -> None:
    line = next(line for line in blocks("docs/recipes.md", "bash")[0].splitlines() if "--name labels" in line)
    changes = {f"{name}={value}" for name, value in accuracy.RECIPES["labels"].items()}
    assert changes == set(re.findall(r"-S (train\S+)", line))
