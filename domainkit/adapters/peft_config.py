"""adapter_config.json of an adapter that PEFT wrote: read, and refused where it asks for what is not computed here."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from domainkit.adapters.folder import PEFT_CONFIG, read_json_object
from domainkit.errors import AdapterError, first_line
from domainkit.messages import JsonObject

if TYPE_CHECKING:
    from peft import PeftConfig

TASKS = (None, "CAUSAL_LM", "SEQ_2_SEQ_LM")
LORA_FIELDS = frozenset(
    (
        *("peft_type", "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision"),
        *("inference_mode", "r", "target_modules", "exclude_modules", "lora_alpha", "lora_dropout", "fan_in_fan_out"),
        *("bias", "use_rslora", "modules_to_save", "layers_to_transform", "layers_pattern", "rank_pattern"),
        *("alpha_pattern", "trainable_token_indices", "use_dora", "lora_bias", "target_parameters"),
        *("ensure_weight_tying", "use_qalora", "qalora_group_size", "megatron_core", "runtime_config"),
        # How training started; the weights are in the file.
        *("init_lora_weights", "loftq_config", "eva_config", "corda_config", "lora_ga_config"),
    )
)
"""Fields of PEFT's LoraConfig that PEFT's layers compute by themselves. Others act outside of the layers (aLoRA's
tokens, copied layers, routers), so they are refused when they are set."""
PATTERN_FIELDS = ("target_modules", "exclude_modules", "layers_pattern", "rank_pattern", "alpha_pattern")
LARGEST_NUMBER = 2**31
MATCH_SECONDS = 5.0


def read_peft_config(folder: str | Path) -> PeftConfig:
    """The folder's configuration. Raises AdapterError that names the key which cannot be used."""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    values = read_json_object(Path(folder), PEFT_CONFIG)
    peft_type = values.get("peft_type")
    kinds: dict[str, type[PeftConfig]] = {kind.value: config for kind, config in PEFT_TYPE_TO_CONFIG_MAPPING.items()}
    if not isinstance(peft_type, str) or peft_type not in kinds:
        raise _refusal(folder, "peft_type", peft_type, "is not a method of this version of PEFT")
    if values.get("task_type") not in TASKS:
        raise _refusal(folder, "task_type", values["task_type"], "is not writing text")
    config_class = kinds[peft_type]
    _check_fields(folder, values, config_class)
    _check_numbers(folder, values)
    _check_patterns(folder, values)
    try:
        known = {f.name: values[f.name] for f in dataclasses.fields(config_class) if f.init and f.name in values}
        known.pop("runtime_config", None)  # of the process that trained it
        return config_class(**config_class.check_kwargs(**known))
    except Exception as e:  # whatever PEFT's own checks raise
        raise AdapterError(
            f"{PEFT_CONFIG} cannot be read: {first_line(e)}",
            where=str(folder),
            next_step="update peft, or train it again",
        ) from e


def _refusal(folder: str | Path, key: str, value: object, why: str) -> AdapterError:
    shown = json.dumps(value)
    return AdapterError(
        f"{key}={shown if len(shown) <= 60 else shown[:57] + '...'} in {PEFT_CONFIG} {why}",
        where=str(folder),
        next_step=f"train without {key}, or serve the adapter with PEFT itself",
    )


def _check_fields(folder: str | Path, values: JsonObject, config_class: type[PeftConfig]) -> None:
    """Every key is used as PEFT uses it, or has the value that changes nothing."""
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    hints = get_type_hints(config_class)
    understood = LORA_FIELDS if values["peft_type"] == "LORA" else fields.keys()
    for key, value in values.items():
        if key not in understood and not _is_default(fields.get(key), value):
            raise _refusal(folder, key, value, "is not computed here")
        if key in fields and not _fits(value, hints[key]):
            raise _refusal(folder, key, value, f"has the wrong type: {fields[key].type} is needed")


def _is_default(field: dataclasses.Field[object] | None, value: object) -> bool:
    """Whether the value changes nothing; of a field that this PEFT does not know, whether it is empty."""
    if field is None or field.default is dataclasses.MISSING:
        return value in (None, False, "", [], {})
    return bool(value == field.default)


def _fits(value: object, hint: Any) -> bool:
    if hint is int and isinstance(value, float):  # PEFT divides by the rank, so an alpha need not be whole
        return True
    if isinstance(value, str) and value.startswith("pissa_niter_"):  # a number follows, which no type can say
        return True
    try:
        TypeAdapter(hint).validate_json(json.dumps(value), strict=True)
    except ValidationError:
        return False
    except Exception:  # a type that pydantic cannot describe is PEFT's to check
        return True
    return True


def _check_numbers(folder: str | Path, values: JsonObject) -> None:
    for key, value in values.items():
        for number in _leaves(value):
            if isinstance(number, float) and not math.isfinite(number):
                raise _refusal(folder, key, value, "is not finite")
            if isinstance(number, (int, float)) and abs(number) > LARGEST_NUMBER:
                raise _refusal(folder, key, value, "is too large")


def _leaves(value: object) -> Iterator[object]:
    """The value itself, or what a list or an object holds; of an object its keys too."""
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _check_patterns(folder: str | Path, values: JsonObject) -> None:
    """Module names are matched by regular expressions of the file, and some take years."""
    for key in PATTERN_FIELDS:
        patterns = [leaf for leaf in _leaves(values.get(key)) if isinstance(leaf, str)]
        for pattern in patterns:
            try:
                re.compile(pattern)
            except (re.error, RecursionError, OverflowError) as e:
                raise _refusal(folder, key, pattern, f"is not a regular expression ({e})") from e
        if not _match_in_time(pattern for pattern in patterns if re.search(r"\)\s*[*+{]", pattern)):
            raise _refusal(folder, key, values[key], "takes too long to match")


def _match_in_time(patterns: Iterable[str]) -> bool:
    """Whether patterns with a repeated group can be matched; tried in another process, for `re` cannot be stopped."""
    repeated = list(patterns)
    if not repeated:
        return True
    name = "base_model.model.model.layers.0.self_attn.q_proj" + "a" * 40 + "!"
    code = "import json, re, sys\nfor p, s in json.load(sys.stdin): re.fullmatch(p, s); re.match(p, s)"
    trials = json.dumps([[pattern, text] for pattern in repeated for text in (name, "a" * 60 + "!", "model.layers.1.")])
    try:
        subprocess.run([sys.executable, "-I", "-c", code], input=trials.encode(), timeout=MATCH_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return True
