"""domainkit.evaluation.kinds.fields"""

import json
import logging
from pathlib import Path

import pytest

from domainkit.corpus.rows.examples import scan_examples
from domainkit.errors import ConfigError, DataError
from domainkit.evaluation.kinds import kind_of
from domainkit.evaluation.read_task import read_task

ROWS = [{"input": f"letter {i}", "target": {"n": i, "topic": ["tax", "rent"][i % 2]}} for i in range(8)]
SCHEMA = {"type": "object", "properties": {"topic": {"type": "string", "description": "what about"}, "n": {}}}
FIELDS = kind_of("fields")


def test_objects_as_targets_are_fields_with_a_schema_of_their_own() -> None:
    task = read_task(ROWS[:4], train=ROWS)
    assert (task.kind, task.why_kind) == ("fields", "every target is a JSON object")
    assert task.json_schema is not None
    assert task.json_schema["properties"]["topic"]["enum"] == ["rent", "tax"]
    assert task.samples[1].target == '{"n": 1, "topic": "rent"}'
    assert FIELDS.prompt_values(task) == {"fields": '- n (number)\n- topic (one of "rent", "tax")'}


def test_objects_as_text_are_the_same() -> None:
    texts = [{**row, "target": json.dumps(row["target"])} for row in ROWS]
    assert read_task(texts).samples == read_task(ROWS).samples


def test_a_given_schema_orders_the_targets_and_describes_the_fields(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(SCHEMA))
    task = read_task(ROWS, schema=file)
    assert task.why_kind == "a schema was given"
    assert task.samples[1].target == '{"topic": "rent", "n": 1}'
    assert FIELDS.prompt_values(task)["fields"].splitlines()[0] == "- topic (text): what about"
    examples, _ = scan_examples(ROWS)
    assert FIELDS.learnt(examples[1], task).target == '{"topic": "rent", "n": 1}'
    assert FIELDS.constraint(task)["json_schema"] == SCHEMA


def test_a_field_that_must_be_there_and_is_not_is_null_where_it_may_be() -> None:
    schema = {"properties": {"a": {"type": ["string", "null"]}, "b": {"type": "string"}}, "required": ["a", "b"]}
    assert read_task([{"input": "x", "target": {"c": 1}}], schema=schema).samples[0].target == '{"a": null, "c": 1}'


def test_a_target_that_is_no_object_is_an_error_with_its_place() -> None:
    rows = [*ROWS, {"input": "x", "target": "tax"}]
    with pytest.raises(DataError) as error:
        read_task(rows, kind="fields")
    assert "row 9: the target is not a JSON object: 'tax'" in str(error.value)


def test_targets_that_the_schema_forbids_are_named(caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"input": "x", "target": {"n": 1, "topic": "love"}}, *ROWS[:2]]
    topics = {"type": "object", "properties": {"n": {}, "topic": {"enum": ["tax", "rent"]}}}
    with caplog.at_level(logging.WARNING):
        read_task(rows, train=ROWS, schema=topics)
    assert "\"love\" is not among the values of 'topic' (1 of 3 targets do not fit the schema:" in caplog.text


def test_a_learnt_choice_that_the_questions_contradict_stays_open() -> None:
    task = read_task([{"input": "x", "target": {"n": 1, "topic": "love"}}], train=ROWS)
    assert task.json_schema is not None
    assert task.json_schema["properties"]["topic"] == {"type": "string"}


@pytest.mark.parametrize("text", ["[1]", "not json"])
def test_a_schema_file_that_is_none_is_an_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "schema.json"
    file.write_text(text)
    with pytest.raises(DataError, match=r"schema\.json"):
        read_task(ROWS, schema=file)


def test_a_schema_is_for_fields_alone() -> None:
    with pytest.raises(ConfigError, match="a schema is given, and the task is of the kind 'label'"):
        read_task(ROWS, schema=SCHEMA, kind="label")


def test_the_parts_of_an_answer_have_their_status() -> None:
    task = read_task(ROWS[:1], train=ROWS)
    assert FIELDS.view is not None
    parts = FIELDS.view(task.samples[0], '{"n": "0", "other": true}', task)
    assert [(p.name, p.expected, p.given, p.status) for p in parts] == [
        ("n", "0", "0", "match"),
        ("topic", "tax", "", "omission"),
        ("other", "", "true", "invention"),
    ]


def test_the_commonest_object_has_each_fields_commonest_value() -> None:
    targets = ['{"a": 1, "b": "x"}', '{"a": 2, "b": "x"}', '{"a": 1, "b": "y"}', '{"a": 3}']
    assert FIELDS.commonest(targets) == '{"a": 1, "b": "x"}'


def test_objects_without_a_field_are_an_error_in_words() -> None:
    with pytest.raises(DataError, match="no target has a field"):
        read_task([{"input": "a", "target": {}}, {"input": "b", "target": {}}])
