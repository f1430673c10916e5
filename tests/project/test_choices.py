"""The settings of run.toml follow from the folder and from the answers, and a folder without questions is told what to
do."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from domainkit.errors import ConfigError
from domainkit.project.choices import choose
from domainkit.project.init import TABLES
from domainkit.project.look import look
from domainkit.project.questions import Question
from domainkit.project.run_toml import text_of
from tests.project.test_look import ROWS, file


class Answers:
    """Answers by what a question is about; the first option for all others."""

    def __init__(self, **given: str) -> None:
        self.given = given
        self.asked: list[str] = []

    def __call__(self, question: Question) -> str:
        self.asked.append(question.about)
        return self.given.get(question.about, question.default)


def settings(folder: Path, answers: Answers | None = None) -> dict[str, Any]:
    chosen = choose(look(folder), answers or Answers())
    return tomllib.loads(text_of(chosen.settings, [], TABLES))


def many(n: int) -> str:
    return "text,label\n" + "".join(f"where is parcel {i},{('late', 'lost')[i % 2]}\n" for i in range(n))


def test_one_file_is_divided_and_trained_on(tmp_path: Path) -> None:
    file(tmp_path, "faq.csv", many(40))
    answers = Answers()
    made = settings(tmp_path, answers)
    assert answers.asked == ["kind", "base"]
    assert (made["rows"], made["kind"], made["base"]) == ("faq.csv", "label", "builtin:smollm2-135m")
    assert (made["split"], made["fit"]["epochs"]) == ({"test": 0.2, "dev": 0.0}, 3)
    assert not {"corpus", "sample", "train", "task"} & made.keys()
    comment = next(s.comments[0] for s in choose(look(tmp_path), Answers()).settings if s.key == "epochs")
    assert "3 are about 6 steps of 16 rows. That is few for a model to learn from." in comment


def test_at_most_five_questions(tmp_path: Path) -> None:
    odd = "a,b\n" + "".join(f"where is parcel {i},{('too late', 'got lost')[i % 2]}\n" for i in range(1200))
    file(tmp_path, "odd.csv", odd)
    file(tmp_path, "odder.csv", odd)
    file(tmp_path, "m/x.md", "# Parcels\n\nA parcel takes two days.")
    answers = Answers(rows="odder.csv (1,200 rows)", kind="answer", base="Qwen/Qwen3-0.6B", size="all")
    made = settings(tmp_path, answers)
    assert answers.asked == ["rows", "columns", "kind", "base", "size"]
    assert (made["rows"], made["map"]) == ("odder.csv", {"input": "a", "target": "b"})
    assert (made["kind"], made["base"], made["corpus"]) == ("answer", "Qwen/Qwen3-0.6B", "m")
    assert "sample" not in made
    assert settings(tmp_path)["sample"] == {"train": 200, "test": 100}


def test_test_rows_alone_are_not_trained_on(tmp_path: Path) -> None:
    file(tmp_path, "test.csv", ROWS)
    made = settings(tmp_path)
    assert made["task"] == "test.csv"
    assert not {"fit", "split", "rows", "train"} & made.keys()


def test_wrong_columns_are_refused_with_those_there_are(tmp_path: Path) -> None:
    file(tmp_path, "odd.csv", "a,b\nwhere is the parcel,at home\nwhen does it come,on Monday\n")
    with pytest.raises(ConfigError, match=r"odd.csv: has no column 'x'.*\n  next: its columns: a, b"):
        settings(tmp_path, Answers(columns="input=a,target=x"))


@pytest.mark.parametrize(
    ("name", "text", "what", "step"),
    [
        ("q.csv", "question\nwho is it\nwhat is it\n", r"q.csv holds 2 questions without answers", "domainkit distil"),
        ("m/a.md", "# A\n\nSome words.", r"holds documents \(1 document file \(1 .md\)\)", "domainkit make .* --out"),
        ("a.parquet", "no", r"holds no rows that can be used: a.parquet is not a Parquet", "domainkit check"),
        ("a.bin", "", r"holds nothing that can be used \(a.bin\)", "put a file of questions with answers"),
        (".a", "", "is empty", "put a file of questions with answers"),
    ],
)
def test_a_folder_without_questions_and_answers(tmp_path: Path, name: str, text: str, what: str, step: str) -> None:
    file(tmp_path, name, text)
    with pytest.raises(ConfigError, match=rf"{what}.*\n  next: .*{step}"):
        settings(tmp_path)


def test_files_of_two_years_are_read_together_and_others_named(tmp_path: Path) -> None:
    for name, count in (("t-2024", 40), ("t-2025", 30), ("faq", 20)):
        file(
            tmp_path, f"{name}.csv", many(count).replace("text,label", "Asked,Said").replace("parcel", f"{name} parcel")
        )
    chosen = choose(look(tmp_path), Answers())
    values = tomllib.loads(text_of(chosen.settings, [], TABLES))
    assert (values["rows"], values["map"]) == (["t-2024.csv", "t-2025.csv"], {"input": "Asked", "target": "Said"})
    assert ("faq.csv", 'have the same columns: rows = ["t-2024.csv", "t-2025.csv", "faq.csv"] reads all of them') in (
        chosen.not_used
    )
    one = settings(tmp_path, Answers(rows="t-2025.csv (30 rows)"))
    assert one["rows"] == "t-2025.csv"
