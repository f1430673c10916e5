"""Variant: the same chain with one setting changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, Self, runtime_checkable

from pydantic import BaseModel, ConfigDict, model_validator

Family = Literal["trivial", "classical", "encoder", "prompt", "retrieve", "tune", "combine", "custom", "oracle"]
"""The kinds of answer to "prompt, retrieve or fine-tune?". "combine" is fine-tuned and retrieving. An "oracle" is given
the gold document, which no user has, so it is never recommended."""
Need = Literal["train", "encoder", "adapter", "context adapter", "corpus", "gold"]
_CHAIN_FLAGS = ("tuned", "context", "shots", "retrieve", "oracle", "agent")
"""Flags of the built-in chain."""


@runtime_checkable
class Answerer(Protocol):
    """A LangChain Runnable, or what works like one: a question in; text, an AIMessage or a dict with "answer" out."""

    # Any: a question is a text or {"question": …, "system": …}, and an answer is whatever the Runnable returns.
    def invoke(self, input: Any, config: Any = None) -> Any: ...

    def batch(self, inputs: list[Any], config: Any = None, *, return_exceptions: bool = False) -> list[Any]: ...


class Variant(BaseModel):
    """One way to answer the task's questions."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    name: str
    family: Family = "prompt"
    """Groups variants for the verdict. Left out, it follows from the flags below; only a `runnable` may declare another
    one."""
    description: str
    """One sentence for the report's reader."""
    tuned: bool = False
    """Use the adapter: of the comparison's base, or of `model`."""
    context: bool = False
    """Use the adapter trained with passages in its prompts instead. Needs `tuned` and `retrieve`."""
    shots: Literal["none", "fixed", "nearest"] = "none"
    """Solved examples in the prompt: none, the same few for all, or the nearest to the question."""
    retrieve: bool = False
    """Put passages found in the corpus into the prompt."""
    oracle: bool = False
    """The passages of the gold documents instead of those found: a ceiling for retrieval. Needs `retrieve`."""
    agent: bool = False
    """Retrieval as a tool: the model writes the query. Needs `retrieve`."""
    model: str | None = None
    """Name of the model that answers (`compare(models=…)`); None is the comparison's own base."""
    default: bool = True
    """Part of a comparison that names no variants."""
    classical: Literal["none", "auto", "encoder", "trivial"] = "none"
    """No model that writes. auto: the best of TF-IDF, sentence embeddings and the nearest solved example. encoder: the
    small sentence encoder itself, fine-tuned. trivial: the commonest answer, or the input copied."""
    needs: tuple[Need, ...] = ()
    """What must be given for the variant to run, beside what its flags need. Where it is missing, the variant is left
    out with the reason."""
    runnable: Answerer | None = None
    """Replaces the chain."""
    identity: str | None = None
    """What tells this `runnable` from another: answers on disk are reused under the same text only. Left out, a digest
    of its code and settings; where these cannot be read, nothing is reused."""

    @property
    def uses_llm(self) -> bool:
        """Whether it answers with a language model that the comparison asks: it is built in, and not the classical
        one."""
        return self.runnable is None and self.classical == "none"

    @property
    def uses_base(self) -> bool:
        """Whether that model is the comparison's own base."""
        return self.uses_llm and self.model is None

    @model_validator(mode="before")
    @classmethod
    def _family_and_needs_from_flags(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        family, declared = family_of(values), values.get("family")
        if declared not in (None, family) and values.get("runnable") is None:
            raise ValueError(f"the family is '{declared}', but these flags make it '{family}': leave the family out")
        needs = dict.fromkeys((*_needs_of(values), *(values.get("needs") or ())))
        return {**values, "family": declared or family, "needs": tuple(needs)}

    @model_validator(mode="after")
    def _no_flag_is_ignored(self) -> Self:
        """A flag that the variant would not use is refused: it would look as if it had been compared."""
        if not self.name.strip() or not _is_text(self.name):
            raise ValueError("the name is empty, or holds half of a surrogate pair")
        chain = [name for name in _CHAIN_FLAGS if getattr(self, name) not in (False, "none")]
        if self.runnable is not None and (chain or self.classical != "none"):
            raise ValueError(f"a runnable replaces the chain, so {', '.join(chain or ['classical'])} would not be used")
        if self.classical != "none" and chain:
            raise ValueError(f"a classical model uses no {', '.join(chain)}")
        if self.identity is not None and self.runnable is None:
            raise ValueError("identity is for a runnable: a built-in chain is known by its own parts")
        if self.model is not None and not self.uses_llm:
            raise ValueError("model is for a built-in chain: a runnable and a classical model answer with their own")
        lacking = [name for name in ("context", "oracle", "agent") if getattr(self, name) and not self.retrieve]
        if lacking:
            raise ValueError(f"{', '.join(lacking)} needs retrieve=True")
        if self.context and not self.tuned:
            raise ValueError("context needs tuned=True")
        if self.agent and (self.shots != "none" or self.oracle):
            raise ValueError("an agent shows no solved examples and searches itself: leave shots and oracle out")
        return self


def family_of(flags: Mapping[str, object]) -> Family:
    """The family of a variant with these fields. Solved examples in a prompt are prompting, not retrieval."""
    if flags.get("runnable") is not None:
        return "custom"
    if flags.get("classical", "none") != "none":
        kinds: dict[object, Family] = {"trivial": "trivial", "encoder": "encoder"}
        return kinds.get(flags["classical"], "classical")
    if flags.get("oracle"):
        return "oracle"
    if flags.get("tuned"):
        return "combine" if flags.get("retrieve") else "tune"
    return "retrieve" if flags.get("retrieve") else "prompt"


def _is_text(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _needs_of(flags: Mapping[str, object]) -> list[Need]:
    if flags.get("runnable") is not None:
        return []
    adapter: Need = "context adapter" if flags.get("context") else "adapter"
    learns = flags.get("shots", "none") != "none" or flags.get("classical") in ("auto", "encoder")
    wanted: list[tuple[Need, object]] = [
        (adapter, flags.get("tuned")),
        ("train", learns),
        ("encoder", flags.get("classical") == "encoder"),
        ("corpus", flags.get("retrieve")),
        ("gold", flags.get("oracle")),
    ]
    return [need for need, is_needed in wanted if is_needed]
