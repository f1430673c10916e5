"""A chat template in Jinja as one in Go, for conversations that are turns between fixed marks.

The marks are read off the template's own output, and the result is compared with it on probe conversations. A template
that does more than marks (dates, tools, reasoning kept or dropped) shows there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from domainkit.errors import BaseModelError
from domainkit.messages import Message, Role
from domainkit.models.templates.chat_template import ChatTemplate

SYSTEM, FIRST, ANSWER, SECOND = "«SYSTEM»", "«FIRST»", "«ANSWER»", "«SECOND»"
PROBES: tuple[tuple[Role, ...], ...] = (
    ("user",),
    ("system", "user"),
    ("user", "assistant", "user"),
    ("system", "user", "assistant", "user", "assistant", "user"),
)
CONTENTS = ('Is "2 < 3"?', "Two lines:\n{{ .Role }} and <b>&amp;</b>", "Ünïcödé 你好 'quoted' \\n", "x", "y", "z")


@dataclass(frozen=True, slots=True)
class TurnMarks:
    """What a chat template writes around the words of each turn."""

    start: str
    """Before everything: the BOS token, where the template writes it."""
    default_system: str
    """In place of a system turn that is not there."""
    system: tuple[str, str]
    """Before and after its words; where the template takes no system turn, they stand in the first user's turn."""
    user: tuple[str, str]
    assistant: tuple[str, str]
    generation: str
    """After the last turn, up to the answer's words."""
    folded: bool
    """Whether the system's words stand in the first user's turn."""

    def render(self, turns: Sequence[Message]) -> str:
        """A conversation of system (first, if at all), user and assistant turns, as the Go template writes it."""
        has_system = bool(turns) and turns[0].role == "system"
        text, opened = self.start + ("" if has_system else self.default_system), False
        for turn in turns:
            before, after = {"system": self.system, "user": self.user, "assistant": self.assistant}[turn.role]
            text += ("" if opened and turn.role == "user" else before) + turn.content + after
            opened = self.folded and turn.role == "system"
        return text + self.generation

    def go(self, *, with_start: bool = True) -> str:
        """The Go template; without `start` where the engine puts the BOS token itself."""
        has_no_system = '{{ if or (not .Messages) (ne (index .Messages 0).Role "system") }}'
        default = f"{has_no_system}{_literal(self.default_system)}{{{{ end }}}}" if self.default_system else ""
        user = _literal(self.user[0])
        system = f"{_literal(self.system[0])}{{{{ .Content }}}}{_literal(self.system[1])}"
        if self.folded:
            user = f"{{{{ if $open }}}}{user}{{{{ end }}}}{{{{ $open = true }}}}"
            system += "{{ $open = false }}"
        return "".join(
            (
                "{{ $open := true }}" if self.folded else "",
                _literal(self.start) if with_start else "",
                default,
                "{{ range .Messages }}",
                f'{{{{ if eq .Role "system" }}}}{system}',
                f'{{{{ else if eq .Role "user" }}}}{user}{{{{ .Content }}}}{_literal(self.user[1])}',
                f'{{{{ else if eq .Role "assistant" }}}}{_literal(self.assistant[0])}{{{{ .Content }}}}',
                f"{_literal(self.assistant[1])}{{{{ end }}}}",
                "{{ end }}",
                _literal(self.generation),
            )
        )


def read_marks(template: ChatTemplate) -> TurnMarks:
    """The marks of `template`. Raises BaseModelError where its conversations are not turns between fixed marks."""
    marks = _marks(template)
    for roles in PROBES:
        turns = [Message(role, CONTENTS[i]) for i, role in enumerate(roles)]
        if marks is None or marks.render(turns) != prompt_text(template, turns):
            raise BaseModelError(
                "its chat template does not write turns between fixed marks, so that no Go template is the same "
                f"(tried: {', '.join(roles)})",
                next_step="ask Ollama with raw: true in /api/generate, and the prompt that domainkit renders; or "
                "serve it with llama-server, which reads the base's own template: domainkit export --to gguf",
            )
    assert marks is not None
    return marks


def trims(template: ChatTemplate) -> bool:
    """Whether the template takes white space off the ends of what a user says, which Go templates of Ollama cannot."""
    return " padded " not in prompt_text(template, [Message("user", " padded ")])


def prompt_text(template: ChatTemplate, turns: Sequence[Message], *, generation: bool = True) -> str:
    """The text of a prompt as an adapter is trained to read it; "" where the template refuses the turns."""
    plain, _ = template.with_tools(turns, ())
    text = template.traits.probe(plain, None, generation)
    return "" if text is None else text + (template.traits.opening if generation else "")


def _marks(template: ChatTemplate) -> TurnMarks | None:
    """Read off a few conversations; None where they have another shape."""
    first, answer = Message("user", FIRST), Message("assistant", ANSWER)
    one = prompt_text(template, [first], generation=False).partition(FIRST)
    two = prompt_text(template, [first, answer], generation=False)
    three = prompt_text(template, [first, answer, Message("user", SECOND)], generation=False)
    asked = prompt_text(template, [first])
    with_system = prompt_text(template, [Message("system", SYSTEM), first], generation=False)
    if not all((one[1], ANSWER in two, SECOND in three, FIRST in asked, SYSTEM in with_system, FIRST in with_system)):
        return None
    head, closing = one[0], one[2]
    answered, between = two.partition(ANSWER), three.partition(ANSWER)[2].partition(SECOND)[0]
    user_open = between.removeprefix(answered[2])
    before, _, rest = with_system.partition(SYSTEM)
    folded = template.traits.default_system is None
    bos = str(template.tokenizer.bos_token or "")
    start = bos if bos and head.startswith(bos) and before.startswith(bos) and bos != user_open[: len(bos)] else ""
    return TurnMarks(
        start,
        head.removeprefix(start).removesuffix(user_open),
        (before.removeprefix(start), rest.partition(FIRST)[0].removesuffix("" if folded else user_open)),
        (user_open, closing),
        (answered[0].partition(FIRST)[2].removeprefix(closing), answered[2]),
        asked.partition(FIRST)[2].removeprefix(closing),
        folded,
    )


def _literal(text: str) -> str:
    """Text as an action of a Go template, in which nothing is read as an action and no white space is lost."""
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}" if text else ""
