"""domainkit ask: answer one question, or chat. Answers are streamed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domainkit import progress
from domainkit.cli.terminal.output import next_command, record, refuse_json
from domainkit.errors import ConfigError
from domainkit.visible import visible

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from domainkit.llm.chat_model import DomainLLM
    from domainkit.retrieval import PassageRetriever


def ask(
    question: Annotated[
        str | None, typer.Argument(help="The question; left out, a chat until an empty line or Ctrl-D.")
    ] = None,
    adapter: Annotated[Path | None, typer.Option(help="Adapter folder.")] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="Base model; left out, the adapter's, else builtin:smollm2-135m. With --run, "
            "where the measured base lies on this machine."
        ),
    ] = None,
    corpus: Annotated[Path | None, typer.Option(help="Documents to retrieve passages from, for each question.")] = None,
    system: Annotated[str | None, typer.Option(help="System turn.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Maximum number of new tokens in an answer; left out, 256.")
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="0, the default, is greedy.")] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="Run folder or pack: ask the variant that its comparison recommends, as it was measured."),
    ] = None,
    variant: Annotated[str | None, typer.Option(help="Of --run: another variant than the recommended one.")] = None,
) -> None:
    """Ask a model, with or without an adapter, or a variant that was measured. The answer is printed as it is
    generated."""
    if question is None:
        refuse_json("a chat has no one result to write")
    if run is not None:
        taken = {"adapter": adapter, "corpus": corpus, "max-tokens": max_tokens, "temperature": temperature}
        _ask_measured(run, variant, base, taken, question, system)
        return
    if variant is not None:
        raise ConfigError("--variant is given without --run", next_step="name the run folder with --run")
    from domainkit.comparison.ladder import CHAINS
    from domainkit.llm.chat_model import DomainLLM

    llm = DomainLLM(
        adapter=str(adapter) if adapter else None,
        base=base,
        max_tokens=256 if max_tokens is None else max_tokens,
        temperature=0.0 if temperature is None else temperature,
    )
    if corpus is not None or question is not None:
        chain = CHAINS.load("answer_chain")(llm, retriever=_retriever(corpus))
        for text in [question] if question is not None else _typed_questions():
            refuse_broken_text(text)
            record(answer=_print_stream(chain.stream({"question": text, "system": system})))
        if question is not None and adapter is not None and sys.stdout.isatty():  # a file gets the answer alone
            next_command("serve", adapter, lead="\nNext: ")
    else:
        _chat(llm, system)


def _ask_measured(
    run: Path,
    variant: str | None,
    base: str | None,
    taken: Mapping[str, object],
    question: str | None,
    system: str | None,
) -> None:
    """Ask a variant of a run. `taken` are the options that it brings with it."""
    if given := [name for name, value in taken.items() if value is not None]:
        what = f"--{given[0]} is given with --run, whose variant is asked as it was measured"
        raise ConfigError(what, next_step=f"leave --{given[0]} out, or leave --run out")
    from domainkit.winner.load import load_variant, load_winner

    chain = load_variant(run, variant, base=base) if variant is not None else load_winner(run, base=base)
    for text in [question] if question is not None else _typed_questions():
        refuse_broken_text(text)
        record(answer=_print_stream(chain.stream({"question": text, "system": system})))
    if question is not None and sys.stdout.isatty():
        next_command("serve", f"{run}#{variant}" if variant else run, lead="\nNext: ")


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
    progress.settle()
    while True:
        try:
            text = input("> " if interactive else "")
        except EOFError:
            return
        if not text.strip():
            return
        yield text


def _print_stream(chunks: Iterable[BaseMessage]) -> str:
    """Print an answer while it grows, and return it."""
    texts = []
    for chunk in chunks:
        texts.append(str(chunk.text))
        sys.stdout.write(visible(texts[-1]))  # model output is untrusted
        sys.stdout.flush()
    sys.stdout.write("\n")
    return "".join(texts)
