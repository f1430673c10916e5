"""Constraints: whatever is sampled from the mask is inside the request, and everything inside it can be sampled."""

from __future__ import annotations

import enum
import json
import random
import re
import time
from functools import lru_cache
from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from domainkit.errors import RequestError
from domainkit.inference.backend import Request
from domainkit.inference.constrained.constraint import Constraint, compile_constraint, is_constrained
from domainkit.inference.constrained.token_spelling import Spelling
from domainkit.messages import Message, parse_calls
from domainkit.models.gguf import model_folder
from domainkit.models.source import resolve_base

END = 2
spelling_of = lru_cache(Spelling)
ASK = (Message("user", "?"),)


@pytest.fixture(scope="session")
def tiny(tiny_base: str) -> Any:
    return AutoTokenizer.from_pretrained(tiny_base)


@pytest.fixture(scope="session")
def merging() -> Any:
    """A byte-level BPE with merges and ChatML control tokens: unlike bytes, it has one canonical split of many."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    words = "New York Newark yes no maybe name arguments input <tool_call> </tool_call> weather in the city of Ulm "
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator([words * 20], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "<|im_start|>assistant\n"
    )
    return tokenizer


def constraint(tokenizer: Any, **fields: Any) -> Constraint:
    request = Request(ASK, **fields)
    assert is_constrained(request)
    return compile_constraint(request, spelling_of(tokenizer))


def allowed(c: Constraint) -> list[int]:
    return c.mask().nonzero().flatten().tolist()


def take(c: Constraint, ids: list[int]) -> Constraint:
    for token in ids:
        assert c.mask()[token], f"token {token} is not allowed"
        c.advance(token)
    return c


def accepts(tokenizer: Any, text: str, **fields: Any) -> bool:
    c = constraint(tokenizer, **fields)
    try:
        for token in spelling_of(tokenizer).spell(text):
            c.advance(token)
    except RequestError:
        return False
    return c.complete


def walk(c: Constraint, tokenizer: Any, rng: random.Random, limit: int = 3000) -> str:
    """Random allowed tokens to the end; past `limit`, the end or the shortest way to it is preferred."""
    ids: list[int] = []
    while not c.finished:
        forced = c.forced()
        if forced and rng.random() < 0.5:
            ids += forced
            for token in forced:
                c.advance(token)
            continue
        options = allowed(c)
        assert (END in options) == c.complete
        assert len(ids) < 10 * limit, "the constraint does not end"
        closing = [t for t in options if tokenizer.decode([t]) in ('"', "}", "]", "<|end|>")]
        hurry = closing if closing and (len(ids) > limit or rng.random() < 0.2) else options
        token = rng.choice(hurry)
        c.advance(token)
        if token == END:
            break
        ids.append(token)
    assert c.complete
    return spelling_of(tokenizer).parser.decode_bytes(ids).decode()


# --- JSON schema ------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"
    QUOTED = 'a "b"'


class Part(BaseModel):
    colour: Colour
    sizes: list[int] = Field(max_length=3)
    note: str | None = None


class Thing(BaseModel):
    """A nested model with $defs, optional and repeated parts."""

    kind: Literal["thing"]
    title: str = Field(max_length=5)
    price: float | None = None
    parts: list[Part] = Field(max_length=2)
    best: Part | None = None
    flags: dict[str, bool] = Field(default_factory=dict, max_length=2)


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(ge=0, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    good: bool


class Owner(BaseModel):
    pet: Cat | Dog = Field(discriminator="kind")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), model=st.sampled_from([Thing, Part, Owner]))
def test_a_random_walk_through_a_schema_is_valid(tiny: Any, seed: int, model: type[BaseModel]) -> None:
    text = walk(constraint(tiny, json_schema=model.model_json_schema()), tiny, random.Random(seed), limit=300)
    model.model_validate_json(text)


# Integers beyond 2^53 are not interoperable in JSON (RFC 8259, section 6), and llguidance reads them as floats.
whole_numbers = st.integers(-(2**53), 2**53)
json_values = st.recursive(
    st.none() | st.booleans() | whole_numbers | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(values=st.lists(json_values, min_size=1, max_size=4), seed=st.integers(0, 9))
def test_an_enum_of_any_values_gives_one_of_them(tiny: Any, values: list[Any], seed: int) -> None:
    assert json.loads(walk(constraint(tiny, json_schema={"enum": values}), tiny, random.Random(seed))) in values


@settings(max_examples=40, deadline=None)
@given(
    value=st.builds(
        lambda title, sizes, note: {"title": title, "sizes": sizes, **({} if note is None else {"note": note})},
        st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20),
        st.lists(whole_numbers, max_size=4),
        st.none() | st.booleans(),
    )
)
def test_every_json_dump_of_a_fitting_value_is_accepted(tiny: Any, value: dict[str, Any]) -> None:
    properties = {"title": {"type": "string"}, "sizes": {"type": "array", "items": {"type": "integer"}}}
    schema = {
        "type": "object",
        "properties": {**properties, "note": {"type": "boolean"}},
        "required": ["title", "sizes"],
    }
    assert accepts(tiny, json.dumps(value, ensure_ascii=False), json_schema=schema)


def test_objects_are_closed_and_whitespace_is_fixed(tiny: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    assert accepts(tiny, '{"a": 1}', json_schema=schema)
    for text in ('{"a": 1, "b": 2}', '{"a":  1}', '{ "a": 1}', '{\n"a": 1}', ' {"a": 1}'):
        assert not accepts(tiny, text, json_schema=schema)
    assert accepts(tiny, '{"a": 1, "b": 2}', json_schema={**schema, "additionalProperties": True})


def test_intersecting_schemas_are_not_closed_against_each_other(tiny: Any) -> None:
    a = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    b = {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]}
    assert accepts(tiny, '{"a": 1, "b": 2}', json_schema={"allOf": [a, b]})


def test_a_number_may_end_or_go_on(tiny: Any) -> None:
    c = take(constraint(tiny, json_schema={"type": "integer"}), tiny.encode("12"))
    assert c.complete
    assert not c.finished
    c.advance(END)
    assert c.finished


def test_a_control_token_in_a_schema_is_spelled_as_characters(merging: Any) -> None:
    c = constraint(merging, json_schema={"const": "x<|im_end|>y"})
    forced = c.forced()
    assert END not in forced
    assert END not in allowed(c)
    assert accepts(merging, '"x<|im_end|>y"', json_schema={"const": "x<|im_end|>y"})
    text = constraint(merging, json_schema={"type": "string"})
    take(text, spelling_of(merging).spell('"abc'))
    assert not {0, 1, 2} & set(allowed(text))


@pytest.mark.parametrize(
    "schema, keyword, place",
    [
        (TypeAdapter(dict[str, set[int]]).json_schema(), "uniqueItems", "#/additionalProperties/uniqueItems"),
        ({"type": "object", "properties": {"x": {"not": {"type": "null"}}}}, "not", "#/properties/x/not"),
        ({"items": {"type": "string", "format": "binary"}, "type": "array"}, "format", "#/items/format"),
        ({"type": "string", "pattern": "^(?=a)b$"}, "pattern", "#/pattern"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "oneOf", "#/oneOf"),
    ],
)
def test_a_schema_beyond_the_engine_names_the_keyword_and_the_place(
    tiny: Any, schema: dict[str, Any], keyword: str, place: str
) -> None:
    with pytest.raises(RequestError) as e:
        constraint(tiny, json_schema=schema, strict=True)
    assert constraint(tiny, json_schema=schema).relaxed
    assert f"uses '{keyword}', which cannot be enforced" in str(e.value)
    assert f"json_schema at {place}" in str(e.value)
    assert f"remove '{keyword}' from the schema" in str(e.value)


def test_a_contradictory_schema_is_refused_before_the_first_token(tiny: Any) -> None:
    with pytest.raises(RequestError, match=r"minimum \(5\) is greater than maximum \(2\)"):
        constraint(tiny, json_schema={"type": "integer", "minimum": 5, "maximum": 2})


# --- regular expressions ------------------------------------------------------------

pieces = st.sampled_from(
    ["a", "b", "é", "\\.", "[a-c]", "[^x]", "\\d", "(ab|a)", "(x|yz)?", "a{2,3}", "b*", "c+", "/", "\\n"]
)


@settings(max_examples=60, deadline=None)
@given(parts=st.lists(pieces, min_size=1, max_size=5), seed=st.integers(0, 99))
def test_a_random_walk_through_a_regex_matches_it_whole(tiny: Any, parts: list[str], seed: int) -> None:
    regex = "".join(parts)
    text = walk(constraint(tiny, regex=regex), tiny, random.Random(seed), limit=40)
    assert re.fullmatch(regex, text)


def test_a_regex_matches_the_whole_text_and_anchors_change_nothing(tiny: Any) -> None:
    for regex in ("\\d{3}", "^\\d{3}$"):
        assert accepts(tiny, "123", regex=regex)
        assert not accepts(tiny, "12", regex=regex)
        assert not accepts(tiny, "1234", regex=regex)


@pytest.mark.parametrize(
    "regex, fault, where",
    [
        ("ab[c", "unclosed character class", "regex at position 2"),
        ("x(?=a)b", "look-around, including look-ahead and look-behind, is not supported", "regex at position 1"),
        ("(a)\\1", "backreferences are not supported", "regex at position 3"),
        ("\\bword", "lookarounds not supported", "regex"),
        ("a{2,1}", "invalid repetition count range", "regex at position 1"),
        ("[^\\s\\S]", "nothing matches it", "regex"),
        ("\\d/\n/[c", "unclosed character class", "regex at position 5"),
    ],
)
def test_a_bad_regex_names_the_fault_and_the_position(tiny: Any, regex: str, fault: str, where: str) -> None:
    with pytest.raises(RequestError) as e:
        constraint(tiny, regex=regex)
    assert fault in e.value.what
    assert e.value.where == where
    assert repr(regex) in e.value.what
    assert "without look-around" in str(e.value.next_step)


# --- tool calls ------------------------------------------------------------


def tool(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": "d", "parameters": parameters}}


ADD = tool("add", a={"type": "integer"}, b={"type": "integer"})
SAY = tool("say", text={"type": "string", "maxLength": 6})
NOW = {"type": "function", "function": {"name": "now", "description": "no arguments"}}
REFERRING = {"name": "paint", "parameters": Part.model_json_schema()}


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), choice=st.sampled_from(["any", "add", "say", "now", "paint"]))
def test_a_forced_call_is_one_valid_call(tiny: Any, seed: int, choice: str) -> None:
    tools = (ADD, SAY, NOW, REFERRING)
    text = walk(constraint(tiny, tools=tools, tool_choice=choice), tiny, random.Random(seed), limit=150)
    content, calls, invalid = parse_calls(text, tools)
    assert (content, len(calls), invalid) == ("", 1, ())
    assert choice in ("any", calls[0].name)
    if calls[0].name == "add":
        assert all(type(calls[0].arguments[k]) is int for k in "ab")
    if calls[0].name == "now":
        assert calls[0].arguments == {}
    if calls[0].name == "paint":
        Part.model_validate(calls[0].arguments)


def test_a_tool_without_arguments_is_forced_to_its_end(merging: Any) -> None:
    c = constraint(merging, tools=(NOW,), tool_choice="now")
    text = merging.decode(c.forced())
    for token in c.forced():
        c.advance(token)
    rest = merging.decode([t for t in allowed(c) if t != END])
    assert (text + rest).startswith('<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call'[: len(text + rest)])
    assert accepts(
        merging, '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>', tools=(NOW,), tool_choice="any"
    )


def test_auto_is_free_until_the_marker_and_strict_after_it(merging: Any) -> None:
    spell = spelling_of(merging).spell
    c = constraint(merging, tools=(ADD,))
    assert c.complete
    words = set(range(3, len(merging)))
    assert words - set(allowed(c)) <= {t for t in words if "�" in merging.decode([t])}
    assert not {0, 1} & set(allowed(c))
    take(c, spell("Let me see <tool, no. é\n"))
    assert c.complete
    take(c, spell("<tool_call>"))
    assert not c.complete
    assert END not in allowed(c)
    take(c, spell('\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call>'))
    assert c.complete
    assert not c.finished
    take(c, spell('\n<tool_call>\n{"name": "add", "arguments": {"a": -3, "b": 0}}\n</tool_call>'))
    assert END in allowed(c)


def test_autos_short_cut_gives_the_parsers_own_mask(merging: Any) -> None:
    """Amid free text the first mask is reused; it must be what the parser would answer at that point."""
    from domainkit.inference.constrained.compiled_grammar import mask_bits
    from domainkit.inference.constrained.constraint import GrammarConstraint

    c = constraint(merging, tools=(ADD,))
    assert isinstance(c, GrammarConstraint)
    for token in spelling_of(merging).spell("a <tool Zürich 東京 <tool_ca <<tool_call"):
        expected = torch.from_numpy(mask_bits(c._matcher, len(merging)))
        expected[END] = c.complete
        assert torch.equal(c.mask(), expected)
        c.advance(token)


def test_auto_with_a_schema_is_a_call_or_the_answer(tiny: Any) -> None:
    fields = {
        "tools": (ADD,),
        "json_schema": {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]},
    }
    assert accepts(tiny, '{"ok": true}', **fields)
    assert accepts(tiny, '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call>', **fields)
    assert not accepts(tiny, "Sure!", **fields)


def test_unusable_tool_schema_names_the_tool(tiny: Any) -> None:
    bad = tool("paint", colours={"type": "array", "uniqueItems": True})
    with pytest.raises(RequestError, match=r"tool 'paint' at #/properties/colours/uniqueItems"):
        constraint(tiny, tools=(ADD, bad), tool_choice="any", strict=True)
    assert constraint(tiny, tools=(ADD, bad), tool_choice="any").relaxed


def test_one_call_at_most_where_calls_are_not_parallel(tiny: Any) -> None:
    call = '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call>'
    assert accepts(tiny, f"{call}\n{call}", tools=(ADD,))
    assert accepts(tiny, f"So: {call}", tools=(ADD,), parallel_tool_calls=False)
    assert not accepts(tiny, f"{call}\n{call}", tools=(ADD,), parallel_tool_calls=False)


# --- the request and the mask ------------------------------------------------------------


def test_nothing_constrains_a_plain_request(tiny: Any) -> None:
    assert not is_constrained(Request(ASK))


@pytest.mark.parametrize(
    "fields, text",
    [
        ({"choices": ("a",), "regex": "a"}, "choices and regex exclude each other"),
        ({"choices": ("a",), "tools": (ADD,)}, "choices leaves no room to call a tool"),
        ({"tools": (ADD,), "tool_choice": "ad"}, "did you mean 'add'?"),
        ({"tools": ({"type": "function", "function": {}},)}, "a tool has no name"),
    ],
)
def test_contradictory_requests_say_what_to_drop(tiny: Any, fields: dict[str, Any], text: str) -> None:
    with pytest.raises(RequestError) as e:
        constraint(tiny, **fields)
    assert text in str(e.value)


def test_mask_has_the_logits_width_and_apply_leaves_only_allowed(tiny: Any) -> None:
    c = compile_constraint(Request(ASK, regex="yes|no"), spelling_of(tiny), width=320, ends=(3,))
    assert c.mask().shape == (320,)
    logits = torch.zeros(320)
    c.apply(logits)
    assert logits.isfinite().nonzero().flatten().tolist() == sorted(tiny.encode("yn"))
    for token in tiny.encode("no"):
        c.advance(token)
    assert allowed(c) == [END, 3], "every end token ends the answer"


def test_a_forbidden_token_is_refused(tiny: Any) -> None:
    with pytest.raises(RequestError, match="is not allowed at this point"):
        constraint(tiny, regex="yes").advance(tiny.encode("x")[0])


def test_one_constraint_does_not_move_another(tiny: Any) -> None:
    first, second = constraint(tiny, regex="ab|cd"), constraint(tiny, regex="ab|cd")
    take(first, tiny.encode("a"))
    assert allowed(second) == sorted(tiny.encode("ac"))


@pytest.mark.real
def test_masks_of_a_real_vocabulary_are_fast_and_exact() -> None:
    tokenizer = AutoTokenizer.from_pretrained(model_folder(resolve_base("builtin:smollm2-135m")))
    c = constraint(tokenizer, tools=(ADD,), tool_choice="add")
    text = '<tool_call>\n{"name": "add", "arguments": {"a": 3, "b": -41}}\n</tool_call>'
    took = []
    for token in tokenizer.encode(text):
        begin = time.thread_time()  # of the processor: a busy machine does not count
        mask = c.mask()
        took.append(time.thread_time() - begin)
        assert mask[token]
        c.advance(token)
    assert c.finished
    assert sorted(took)[len(took) // 2] < 0.01
