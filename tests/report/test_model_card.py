from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
from small_runs import write_run

from emotion.report import model_card
from emotion.report.model_card import Facts


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return model_card.read_facts(write_run(tmp_path_factory.mktemp("run")), "official")


def test_defects_are_counted(facts: Facts) -> None:
    card = model_card.write(facts)
    assert "Dropped: 14 blank. Converted from another size or from colour: 2." in card
    assert "contradictory labels: 57." in card
    assert "| test | 60 | 60 |" in card


def test_votes_are_counted_where_there_are_any(facts: Facts, tmp_path: Path) -> None:
    assert "Raters voted" not in model_card.write(facts)
    voted = model_card.read_facts(write_run(tmp_path, voted=True), "official")
    card = model_card.write(voted)
    assert "Raters voted on 170 of the faces, and not on 10; most of them saw no face in 3." in card
    assert "| balanced accuracy on the raters' majority |" in card
    eight = replace(voted, model={**voted.model, "classes": [*voted.model["classes"], "contempt"]})
    assert "The labels are their majorities." in model_card.write(eight)
    assert "The labels are" not in card


def test_averaged_views_are_named(facts: Facts) -> None:
    parameters = {**facts.model["parameters"], "export": {"views": 10}}
    card = model_card.write(replace(facts, model={**facts.model, "parameters": parameters}))
    assert "from the mean logits of 10 views of each face." in card
    assert "views of each face" not in model_card.write(facts)


def test_adjusted_logits_are_named(facts: Facts) -> None:
    parameters = {**facts.model["parameters"], "export": {"views": 1, "logit_adjustment": 0.25}}
    card = model_card.write(replace(facts, model={**facts.model, "parameters": parameters}))
    assert "From the logit of each class, 0.25 times the logarithm of its mean probability on validation is" in card
    assert "From the logit" not in model_card.write(facts)


@pytest.mark.parametrize(
    ("share", "meaning"), [(0, "states how often"), (1, "states which share of the raters"), (0.5, "lies between")]
)
def test_meaning_of_a_probability_is_what_the_network_learned_from(
    facts: Facts, tmp_path: Path, share: float, meaning: str
) -> None:
    model = facts.model | {"parameters": {"train": facts.model["parameters"]["train"] | {"votes": share}}}
    voted = model_card.read_facts(write_run(tmp_path, voted=True), "official")
    card, card_without_votes = (model_card.write(replace(each, model=model)) for each in (voted, facts))
    assert f"A probability {meaning}" in card
    assert "A probability states how often" in card_without_votes
    taught = {0: "the labels", 1: "the raters' votes", 0.5: "the labels (50%) and the raters' votes (50%)"}
    assert f" parameters, trained on {taught[share]} of FER-2013" in card
    assert " parameters, trained on the labels of FER-2013" in card_without_votes


def test_every_class_and_file_has_its_row(facts: Facts) -> None:
    card = model_card.write(facts)
    for name in facts.model["classes"]:
        assert f"\n| {name} |" in card
    for suffix in ("onnx", "h5", "tflite"):
        assert f"| `emotion.{suffix}` |" in card
    assert "2.79 MB" in card


def test_int8_file_is_compared_with_float32(facts: Facts) -> None:
    card = model_card.write(facts)
    assert "`emotion.int8.onnx` (0.71 MB) is the same network in int8" in card
    assert (
        "the label of `emotion.onnx` to 98.66% of the faces, and is right on 69.57% of them instead of 69.70%" in card
    )
    assert "It may be used, because these two shares differ by at most 0.3 points and at least 97% of the " in card
    worse = model_card.write(replace(facts, export=facts.export | {"int8_agreement": 0.95}))
    assert "It cannot be used: its accuracy on validation is 69.57% instead of 69.70%, and 95.00% of its lab" in worse


def test_validation_chose_the_epoch_only_where_the_best_was_kept(facts: Facts) -> None:
    chosen = copy.deepcopy(facts)
    for keep, what in {"best": "epoch and temperature", "last": "the temperature"}.items():
        chosen.model["parameters"]["train"]["keep"] = keep
        assert f"Every choice, including {what}, was made on the validation split" in model_card.write(chosen)


def test_official_split_of_fer2013_is_named_and_no_other(facts: Facts) -> None:
    assert "validation split (the competition's PublicTest)" in model_card.write(facts)
    assert "PublicTest" not in model_card.write(replace(facts, split="folders"))


def test_meaning_and_use_are_stated(facts: Facts) -> None:
    card = model_card.write(facts)
    for part in (
        "does not measure what a person feels",
        "Article 5(1)(f)",
        "Article 50(3)",
        "Excluded",
        "Not measured",
    ):
        assert part in card


def test_drawn_faces_are_called_drawn_and_not_fer2013(facts: Facts) -> None:
    drawn = model_card.write(replace(facts, source={**facts.source, "source": "sample", "dataset": "sample faces"}))
    assert "faces drawn by a program" in drawn
    assert "download.source=sample" in drawn
    assert "FER" not in drawn
    assert "faces drawn by a program" not in model_card.write(facts)


@pytest.mark.parametrize(
    ("source", "title", "known"),
    [
        ("kaggle", "FER-2013 (msambare/fer2013, version 1)", True),
        ("kaggle", "someone/FER-2013, version 1", False),
        ("kaggle", "FER-2013/faces, version 1", False),
        ("incoming", "FER-2013 (msambare/fer2013, version 1)", True),
        ("incoming", "FER-2013-mine.zip", False),
        ("incoming", "FER-2013 (1).zip", False),
        ("incoming", "FER-2013 (mine, version 1)", False),
    ],
)
def test_fer2013_is_recognised_by_its_content_and_not_by_the_name_of_a_file(
    facts: Facts, source: str, title: str, known: bool
) -> None:
    card = model_card.write(replace(facts, source={**facts.source, "source": source, "dataset": title}))
    assert ("FER+" in card) is known
    assert ("PublicTest" in card) is known


def test_start_from_faces_is_stated_and_no_other_start(facts: Facts) -> None:
    started = copy.deepcopy(facts)
    train = started.model["parameters"]["train"]
    train |= {"architecture": "face_resnet_small", "transfer": {"weights": "faces"}}
    assert "dlib's network for face recognition" in model_card.write(started)
    train["start_from"] = "mine.keras"
    assert "It was trained further from the network in `mine.keras`" in model_card.write(started)
    assert "dlib" not in model_card.write(started)
    train |= {"start_from": "", "transfer": {"weights": "none"}}
    assert "dlib" not in model_card.write(started)
    train |= {"architecture": "resnet", "transfer": {"weights": "faces"}}
    assert "dlib" not in model_card.write(started)


def test_five_facts_come_first(facts: Facts) -> None:
    opening = model_card.write(facts).split("\n\n")[1].splitlines()
    assert len(opening) == 5
    parts = ("appears", "faces, and of", "uncertain", "is right on", "Fairness")
    assert all(part in line for part, line in zip(parts, opening, strict=True))


def test_rows_of_a_table_have_equal_numbers_of_cells(facts: Facts) -> None:
    for block in model_card.write(facts).split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_equal_files_give_equal_text_without_paths(facts: Facts, tmp_path: Path) -> None:
    card = model_card.write(model_card.read_facts(write_run(tmp_path), "official"))
    assert card == model_card.write(facts)
    assert str(tmp_path) not in card
