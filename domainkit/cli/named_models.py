"""`--model NAME=SPEC` and a run file's [models] table, the same for every command that has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domainkit.errors import ConfigError
from domainkit.messages import JsonObject

EXAMPLE = "gpt=openai:gpt-5-mini"
MODEL_HELP = (
    "A chat model beside the base, NAME=SPEC; may be given several times. Every variant that runs on the base without "
    "an adapter runs on it too, as few-shot@NAME. SPEC is provider:model of LangChain's integrations, "
    "server:URL#model, module:function, a base, or an adapter's folder."
)


def take_models(values: JsonObject, words: Sequence[str]) -> dict[str, str]:
    """The models of the run file and of `models.NAME=SPEC`, removed from `values`, under those of `--model`.

    Raises ConfigError for a word without '=', a name that comes twice, and a value that is not text.
    """
    table = values.pop("models", {})
    if not isinstance(table, Mapping):
        raise ConfigError(f"{table!r} is not a table", where="models", next_step="write a table [models]: NAME = SPEC")
    dotted = {k.partition(".")[2]: values.pop(k) for k in list(values) if k.startswith("models.")}
    for name, spec in {**table, **dotted}.items():
        if not isinstance(spec, str):
            what = f"{spec!r} is not text"
            raise ConfigError(what, where=f"models.{name}", next_step=f"write it in quotes, as in {EXAMPLE!r}")
    given: dict[str, str] = {}
    for word in words:
        name, equals, spec = (part.strip() for part in word.partition("="))
        if not (name and equals and spec):
            raise ConfigError(f"'{word}' is not NAME=SPEC", where="--model", next_step=f"write --model {EXAMPLE}")
        if name in given:
            what = f"the model '{name}' is named twice"
            raise ConfigError(what, where="--model", next_step="give each model a name of its own")
        given[name] = spec
    return {**table, **dotted, **given}
