"""What training minimises: one file each. The table holds those that learn from preferences or from a reward, on
TRL's trainers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from domainkit.corpus.example import Example
from domainkit.corpus.preferences import Marked, Pair
from domainkit.errors import MachineError
from domainkit.registry import Table
from domainkit.training.config import PreferenceConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from domainkit.adapters.tuned_model import AdaptedModel
    from domainkit.models.chat_template import ChatTemplate
    from domainkit.training.objectives.trl_overrides import TrlOverrides

OBJECTIVES = Table(
    "objective",
    {
        "dpo": "domainkit.training.objectives.dpo:Dpo",
        "kto": "domainkit.training.objectives.kto:Kto",
        "grpo": "domainkit.training.objectives.grpo:Grpo",
        "rloo": "domainkit.training.objectives.rloo:Rloo",
    },
    group="domainkit.objectives",
)
TRL = "1.16"
"""The TRL whose inner methods `trl_overrides` replaces; it is checked, since another version may name them otherwise.
"""

RowKind = Literal["pairs", "marked", "examples"]
Row = Pair | Marked | Example
EncodedRow = dict[str, Any]
"""A row of TRL's data set: token ids and labels, by the names of TRL's columns."""
RewardFunction = Callable[[Sequence[int], Sequence[str]], list[float | None]]
"""(numbers of rows, an answer to each) to the answers' rewards; None leaves an answer out."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a trainer is to do: `steps` optimizer steps of `accumulate` passes of `rows` rows; rates and β are resolved
    in `config`.

    `work` is a folder for what TRL writes while it runs, `bf16` the base's number format.
    """

    config: PreferenceConfig
    steps: int
    rows: int
    accumulate: int
    work: Path
    device: str
    bf16: bool


class Objective(Protocol):
    """One way to learn what is better. `samples`: it needs a reward, which scores answers that the model gives while
    training.
    """

    row_kind: ClassVar[RowKind]
    samples: ClassVar[bool]
    least: ClassVar[int]
    """Fewest items in a forward pass."""
    beta: ClassVar[float]
    """β by default."""
    beta_source: ClassVar[str]
    kl_unit: ClassVar[str]
    """What the KL of the curve counts; "" when the objective has none."""
    curve: ClassVar[dict[str, str]]
    """The curve's columns, by TRL's names for them."""

    @staticmethod
    def rows_per_item(config: PreferenceConfig) -> int:
        """Rows of a forward pass that one item of the data takes."""
        ...

    @staticmethod
    def encode(
        rows: Sequence[Any], template: ChatTemplate, max_length: int, config: PreferenceConfig
    ) -> list[EncodedRow]:
        """The rows as token ids. Raises DataError for a row that is too long, with its line."""
        ...

    @staticmethod
    def trainer(
        plan: Plan,
        model: AdaptedModel,
        tokenizer: PreTrainedTokenizerBase,
        encoded: list[EncodedRow],
        reward: RewardFunction | None,
    ) -> TrlOverrides:
        """TRL's trainer, ready to run. `reward` is there where `samples` is true."""
        ...


def load_objective(name: str) -> type[Objective]:
    """The objective's class. Raises ConfigError for an unknown name, MachineError without the TRL it is written for."""
    OBJECTIVES[name]
    need_trl()
    return OBJECTIVES.load(name)


def need_trl() -> None:
    """Raises MachineError when TRL is missing or of another version."""
    from importlib.metadata import PackageNotFoundError, version

    cure = "pip install 'domainkit[preference]'"
    try:
        installed = version("trl")
    except PackageNotFoundError:
        raise MachineError("training on preferences needs the package trl", next_step=cure) from None
    if not installed.startswith(f"{TRL}."):
        raise MachineError(f"trl {installed} is installed, and domainkit is written for trl {TRL}", next_step=cure)


__all__ = [
    "OBJECTIVES",
    "EncodedRow",
    "Objective",
    "Plan",
    "RewardFunction",
    "Row",
    "RowKind",
    "load_objective",
    "need_trl",
]
