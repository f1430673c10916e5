"""load_winner and load_variant: a run folder to the Runnable that was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domainkit.comparison.rebuild import rebuild, variant_of
from domainkit.errors import ConfigError
from domainkit.evaluation.task import Sample
from domainkit.registry import suggestion
from domainkit.results.schema import Results
from domainkit.verdict.sentences import CANNOT_TELL
from domainkit.winner.loaded_variant import LoadedVariant
from domainkit.winner.source import Source, open_source


def load_winner(source: Path | str, *, base: Path | str | None = None) -> LoadedVariant:
    """The variant that the comparison in the run folder `source` recommends, as a LangChain Runnable.

    A question (a text, {"question": …, "system": …}, or messages) gives the AIMessage that the measured chain gave:
    same base, adapter, decoding, prompt, examples, index and passages. `base` names the place of the base where it has
    moved; another base is refused.

    Raises ConfigError where nothing is recommended, or what is recommended is a Runnable of the user's own, and the
    errors of `load_variant`.
    """
    opened = open_source(source)
    return _load(opened, source, winner_of(opened), base)


def load_variant(source: Path | str, name: str, *, base: Path | str | None = None) -> LoadedVariant:
    """The variant `name` of the comparison in the run folder `source`; the rest as `load_winner`.

    Raises ConfigError for a folder that is no run and for an unknown variant; AdapterError, BaseModelError, DataError
    or MachineError where a part is missing, or is not the one that was measured.
    """
    return _load(open_source(source), source, name, base)


def load_again(source: str, name: str, base: str | None) -> LoadedVariant:
    """What a pickled variant does where it is unpickled."""
    return load_variant(source, name, base=base)


def winner_of(source: Source) -> str:
    """The name of the recommended variant. Raises ConfigError where there is none."""
    verdict, where = source.results().verdict, str(source.folder)
    if verdict.answer != CANNOT_TELL:
        return verdict.choice
    names = list(dict.fromkeys([*([verdict.choice] if verdict.choice else []), *verdict.tied]))
    if not names:
        what = f"the comparison recommends nothing: {verdict.headline}"
        raise ConfigError(what, where=where, next_step=f"load_variant(…, NAME) loads one of: {_loadable(source)}")
    others = f" The others in question: {', '.join(names[1:])}." if len(names) > 1 else ""
    raise ConfigError(
        f"the comparison has no winner. {verdict.headline}{others}",
        where=where,
        next_step=f'load_variant("{where}", "{names[0]}") loads the simplest that is not shown to be worse '
        f"(in a command: --variant {names[0]})",
    )


def _load(opened: Source, source: Path | str, name: str, base: Path | str | None) -> LoadedVariant:
    record = opened.record
    measured = record.variants.get(name) if isinstance(name, str) else None
    if measured is None:
        what = f"'{name}' is not a variant of this comparison"
        raise ConfigError(what, where=str(opened.folder), next_step=suggestion(str(name), record.variants))
    if measured.own:
        what = f"'{name}' is a Runnable of your own program, and code is not stored in a run folder"
        raise ConfigError(what, where=str(opened.folder), next_step="use the Runnable that you gave to compare()")
    variant = variant_of(record, name)
    gold = _gold(opened.results()) if variant.oracle else ()
    place = str(base) if base is not None else None
    plan = rebuild(record, opened.folder, variant, base=place, gold=gold)
    reload = (str(Path(source).expanduser().absolute()), name, place)
    known = frozenset(s.input for s in gold if s.doc_ids) if variant.oracle else None
    return LoadedVariant(variant, record, plan.runnable(variant), reload, known)


def _loadable(source: Source) -> str:
    return ", ".join(name for name, measured in source.record.variants.items() if not measured.own)


def _gold(results: Results) -> Sequence[Sample]:
    """The questions of an oracle with the documents that answer them."""
    return [
        Sample(id=i.id, input=i.input, target=i.target, references=i.references, doc_ids=i.doc_ids)
        for i in results.items
    ]
