"""Variant: the same chain with one setting changed."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Family = Literal["classical", "prompt", "retrieve", "tune", "combine", "custom", "oracle"]
"""What kind of answer to "prompt, retrieve or fine-tune?" a variant is; an oracle knows what no user has, and is never chosen."""


class Variant(BaseModel):
    """One way to answer the task's questions.

    `family` groups variants for the verdict; `settings` is what is changed in `answer_chain`; `runnable` replaces the chain by any
    LangChain Runnable (a question string in; text, an AIMessage, or a dict with "answer" out).
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    name: str
    family: Family
    description: str
    """One sentence for the report's reader."""
    tuned: bool = False
    """Use the adapter."""
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
    default: bool = True
    """Part of a comparison that names no variants."""
    classical: Literal["none", "auto"] = "none"
    """No language model: TF-IDF + logistic regression for labels, the nearest solved example for answers."""
    needs: tuple[Literal["train", "adapter", "context adapter", "corpus", "gold"], ...] = ()
    """What must be given for the variant to run; it is left out, saying so, otherwise."""
    runnable: Any = None
