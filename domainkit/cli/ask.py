"""domainkit ask: answer one question, or chat. Answers are streamed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domainkit.cli.options import field_help
from domainkit.comparison.config import CompareConfig
from domainkit.errors import ConfigError
from domainkit.visible import visible

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessageChunk

    from domainkit.llm.chat_model import DomainLLM
    from domainkit.retrieval import PassageRetriever


def ask(
    question: Annotated[
        str | None, typer.Argument(help="The question; left out, a chat until an empty line or Ctrl-D.")
    ] = None,
    adapter: Annotated[Path | None, typer.Option(help="Adapter folder.")] = None,
    base: Annotated[str | None, typer.Option(help=field_help(CompareConfig, "base"))] = None,
    corpus: Annotated[Path | None, typer.Option(help="Documents to retrieve passages from, for each question.")] = None,
    system: Annotated[str | None, typer.Option(help="System turn.")] = None,
    max_tokens: Annotated[int, typer.Option(help="Maximum number of new tokens in an answer.")] = 256,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 0.0,
) -> None:
    """Ask a model, with or without an adapter. The answer is printed as it is generated."""
    from domainkit.comparison.ladder import CHAINS
    from domainkit.llm.chat_model import DomainLLM

    llm = DomainLLM(
        adapter=str(adapter) if adapter else None, base=base, max_tokens=max_tokens, temperature=temperature
    )
    if corpus is not None or question is not None:
        chain = CHAINS.load("answer_chain")(llm, retriever=_retriever(corpus))
        for text in [question] if question is not None else _typed_questions():
            refuse_broken_text(text)
            _print_stream(chain.stream({"question": text, "system": system}))
    else:
        _chat(llm, system)


def _retriever(corpus: Path | None) -> PassageRetriever | None:
    if corpus is None:
        return None
    from domainkit.retrieval import build_retriever

    return build_retriever(corpus, k=3)


def _chat(llm: DomainLLM, system: str | None) -> None:
    """A conversation that remembers its turns."""
    turns: list[tuple[str, str]] = [("system", system)] if system else []
    for text in _typed_questions():
        refuse_broken_text(text)
        turns.append(("user", text))
        turns.append(("assistant", _print_stream(llm.stream(turns))))


def refuse_broken_text(text: str) -> None:
    """The terminal passes on bytes that are not UTF-8 as halves of surrogate pairs, which no tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError("the question is not valid UTF-8", next_step="set the terminal to UTF-8") from None


def _typed_questions() -> Iterator[str]:
    """Lines from the terminal, up to an empty one or the end."""
    interactive = sys.stdin.isatty()
    while True:
        try:
            text = input("> " if interactive else "")
        except EOFError:
            return
        if not text.strip():
            return
        yield text


def _print_stream(chunks: Iterable[BaseMessageChunk]) -> str:
    """Print an answer while it grows, and return it."""
    texts = []
    for chunk in chunks:
        texts.append(str(chunk.text))
        sys.stdout.write(visible(texts[-1]))  # model output is untrusted
        sys.stdout.flush()
    sys.stdout.write("\n")
    return "".join(texts)
