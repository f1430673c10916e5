"""What a base's chat template can do, found by trying it on a few turns."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from domainkit.errors import BaseModelError, RequestError
from domainkit.messages import CHANNEL, REASONING_MARKS, JsonObject
from domainkit.models.templates.limits import check_source, limited
from domainkit.models.templates.tools import TemplateTurn, default_system, knows_tools
from domainkit.models.thinking import SWITCHES, THINKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

GIVEN = {
    *("messages", "tools", "documents", "add_generation_prompt", "raise_exception", "strftime_now"),
    *("message", "content", "reasoning_content", "loop"),  # names that templates give themselves, in inner scopes
}
"""What templates read that is no option."""
DATE = date(2024, 7, 26)
"""What templates that write today's date get: training and every later answer must read the same prompt. The default
date of Llama 3's templates."""
TODAY = re.compile(r"strftime_now\(\s*(['\"])(.*?)\1\s*\)")
MARK = "\ue000words\ue001"
"""Words that stand for an answer's own when a template is tried."""
THOUGHT, ANSWER = "\ue002thought\ue003", "\ue004answer\ue005"
"""And for its reasoning's, and for the words behind that."""


class TemplateTraits:
    """A tokenizer's chat template, as it is called, and what it is found to do. It keeps what it finds."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self.source = str(tokenizer.chat_template or "")
        self._is_bounded = False

    def apply(
        self,
        turns: Sequence[TemplateTurn],
        tools: Sequence[JsonObject] | None,
        add_generation_prompt: bool,
        options: JsonObject,
    ) -> str:
        if not self._is_bounded:
            self._try_bounds()
        turns = _with_content_lists(turns) if self._takes_content_lists else list(turns)
        if self.writes_date:
            options = {"chat_template": self._dated, **options}
        return str(
            self.tokenizer.apply_chat_template(
                turns,
                tools=[*tools] if tools else None,
                add_generation_prompt=add_generation_prompt,
                tokenize=False,
                **options,
            )
        )

    @property
    def writes_date(self) -> bool:
        """Whether the template asks for today's date."""
        return isinstance(self.tokenizer.chat_template, str) and TODAY.search(self.source) is not None

    @cached_property
    def _dated(self) -> str:
        # transformers takes no functions among a template's options, so the calls are replaced.
        return TODAY.sub(lambda call: json.dumps(DATE.strftime(call[2])), self.source)

    def _try_bounds(self) -> None:
        """Raise BaseModelError for a template that loops or multiplies without bound."""
        check_source(self.source)
        user = {"role": "user", "content": "?"}
        turns = [{"role": "system", "content": "s"}, user, {"role": "assistant", "content": "a"}, user]
        with limited():
            for tried in (turns, turns[1:2]):
                for asks in (True, False):
                    try:
                        self.tokenizer.apply_chat_template(tried, add_generation_prompt=asks, tokenize=False)
                    except BaseModelError:
                        raise
                    except Exception:  # it refuses such turns
                        continue
        self._is_bounded = True

    def probe(
        self,
        turns: Sequence[TemplateTurn],
        tools: Sequence[JsonObject] | None = None,
        add_generation_prompt: bool = True,
    ) -> str | None:
        """The text of a few turns of our own, without thinking; None where the template refuses them."""
        try:
            return self.apply(turns, tools, add_generation_prompt, self.render_options({}))
        except BaseModelError:
            raise
        except Exception:  # a template refuses by raising, and Jinja puts no limit on the types
            return None

    @cached_property
    def _takes_content_lists(self) -> bool:
        """Whether the template shows a turn's words only where its content is a list of blocks.

        Raises BaseModelError when it shows the words in neither form.
        """
        if not self.source:
            return False
        turns: list[TemplateTurn] = [{"role": "user", "content": MARK}]
        shown = [_shows(self.tokenizer, turns), _shows(self.tokenizer, _with_content_lists(turns))]
        if shown[0] is False and shown[1] is False:
            raise BaseModelError(
                "the chat template does not show what the user says",
                next_step="use a base with a chat template for text",
            )
        return shown[0] is not True and shown[1] is True

    # ---- options and thinking ----

    @property
    def _options(self) -> frozenset[str]:
        """The names of the template's own options."""
        return _options_of(self.source)

    def render_options(self, options: Mapping[str, object]) -> JsonObject:
        """The options as the template takes them. Raises RequestError for one that it does not have."""
        thinking = self.wants_thinking(options)
        if thinking and not self.thinks:
            raise RequestError(
                f"{THINKING} is on, but this base's chat template has no reasoning", next_step=f"leave {THINKING} out"
            )
        unknown = next((name for name in options if name not in self._options | {THINKING}), None)
        if unknown is not None:
            known = sorted(self._options)
            raise RequestError(
                f"the base's chat template has no option '{unknown}'",
                where="template_options",
                next_step=f"one of: {', '.join(known)}" if known else "leave it out: this template has none",
            )
        given = {k: v for k, v in options.items() if k != THINKING}
        return given | {name: thinking for name in SWITCHES if name in self._options}

    def wants_thinking(self, options: Mapping[str, object]) -> bool:
        given = next((bool(options[name]) for name in SWITCHES if name in options), None)
        return options.get("reasoning_effort", "none") != "none" if given is None else given

    @cached_property
    def thinks(self) -> bool:
        """Whether the base may think before it answers: its template has a switch for that, or marks of reasoning."""
        written = (self.probe([{"role": "user", "content": "?"}]) or "") + self.opening
        marks = (CHANNEL, *(m for marks in REASONING_MARKS for m in marks))
        return bool(self._options & set(SWITCHES)) or any(m in written for m in marks)

    @cached_property
    def opening(self) -> str:
        """What stands between the generation prompt and the words of an answer without reasoning."""
        user: TemplateTurn = {"role": "user", "content": "?"}
        prompt = self.probe([user])
        whole = self.probe([user, {"role": "assistant", "content": MARK}], None, False)
        if prompt is None or whole is None or MARK not in whole:
            return ""
        head = whole[: whole.index(MARK)]
        marks = open_marks(prompt)
        if marks is not None:  # the prompt opens the reasoning, whatever the options say
            return f"\n{marks[1]}\n\n"
        between = head[len(prompt) :] if head.startswith(prompt) else ""
        closed = any(prompt.rstrip().endswith(m[1]) for m in REASONING_MARKS)
        # Plain text there, such as a role's name, is left to the model, as other libraries leave it.
        marked = any(t.content in between for t in self.tokenizer.added_tokens_decoder.values() if t.content.strip())
        return between if marked or closed else ""

    @cached_property
    def text_before_words(self) -> str:
        """The plain text between a prompt's last control token and the answer's words; "assistant\\n" in ChatML."""
        if not self.source:
            return ""
        text = (self.probe([{"role": "user", "content": "?"}]) or "") + self.opening
        tokenizer = self.tokenizer
        control = {str(t) for t in tokenizer.added_tokens_decoder.values()} | set(tokenizer.all_special_tokens)
        return text[max((text.rfind(t) + len(t) for t in control if t and t in text), default=0) :]

    # ---- tools and system turns ----

    @cached_property
    def knows_tools(self) -> bool:
        """Whether the template shows tools and results, and writes calls in the form that `parse_calls` reads."""
        return knows_tools(self.probe)

    @cached_property
    def default_system(self) -> str | None:
        """The system text that the template adds by itself; None where it takes no system turn."""
        return default_system(self.probe)


def _with_content_lists(turns: Sequence[TemplateTurn]) -> list[TemplateTurn]:
    return [{**t, "content": [{"type": "text", "text": t["content"]}]} for t in turns]


def _shows(tokenizer: PreTrainedTokenizerBase, turns: list[TemplateTurn]) -> bool | None:
    """Whether the template writes the turns' words; None where it refuses the turns."""
    try:
        return MARK in str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    except Exception:  # a template refuses by raising, and Jinja puts no limit on the types
        return None


def open_marks(prompt: str) -> tuple[str, str] | None:
    """The marks of the reasoning that a prompt has opened and not closed."""
    return next((m for m in REASONING_MARKS if prompt.rstrip().endswith(m[0])), None)


@lru_cache(16)
def _options_of(source: str) -> frozenset[str]:
    """The names of a template's own options: parsed once, however often its base is loaded."""
    from jinja2 import Environment, TemplateSyntaxError, meta

    check_source(source)  # compiling computes constants
    # transformers' own tag marks the assistant's words; Jinja's parser alone does not know it.
    source = re.sub(r"{%-?\s*(end)?generation\s*-?%}", "", source)
    try:
        tree = Environment(extensions=["jinja2.ext.loopcontrols"]).parse(source)
    except TemplateSyntaxError:
        return frozenset()
    names = meta.find_undeclared_variables(tree) - GIVEN
    return frozenset(n for n in names if not n.endswith("_token"))
