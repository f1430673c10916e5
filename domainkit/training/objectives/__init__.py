"""What training minimises, one file each. The table holds those for preferences or a reward, on TRL's trainers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from domainkit.corpus.example import Example
from domainkit.corpus.preferences import Marked, Pair
from domainkit.errors import MachineError
from domainkit.registry import Table
from domainkit.training.config import PreferenceConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, TrainingArguments

    from domainkit.adapters.tuned_model import AdaptedModel
    from domainkit.models.templates.chat_template import ChatTemplate
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
"""The TRL whose inner methods `trl_overrides` replaces; another version may name them otherwise."""

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


@dataclass(frozen=True, slots=True)
class TrainerInputs:
    """What a trainer works on."""

    model: AdaptedModel
    tokenizer: PreTrainedTokenizerBase
    encoded: list[EncodedRow]
    reward: RewardFunction | None
    """There where the objective samples."""


class Objective(ABC):
    """One way to learn what is better."""

    row_kind: ClassVar[RowKind]
    samples: ClassVar[bool] = False
    """It needs a reward, which scores answers that the model gives while training."""
    least: ClassVar[int] = 1
    """Fewest items in a forward pass."""
    beta: ClassVar[float]
    """β by default."""
    beta_source: ClassVar[str]
    kl_unit: ClassVar[str] = ""
    """What the KL of the curve counts; "" when the objective has none."""
    curve: ClassVar[dict[str, str]]
    """The curve's columns, by TRL's names for them."""
    trl: ClassVar[tuple[Callable[..., TrlOverrides], Callable[..., TrainingArguments]]]
    """TRL's (trainer, configuration)."""

    @classmethod
    def rows_per_item(cls, config: PreferenceConfig) -> int:
        """Rows of a forward pass that one item of the data takes."""
        return 1

    @classmethod
    @abstractmethod
    def encode(
        cls, rows: Sequence[Any], template: ChatTemplate, max_length: int, config: PreferenceConfig
    ) -> list[EncodedRow]:
        """The rows as token ids. Raises DataError for a row that is too long, with its line."""

    @classmethod
    def options(cls, plan: Plan, inputs: TrainerInputs) -> dict[str, object]:
        """TRL's options that the objective sets."""
        return {"max_length": None}

    @classmethod
    def trainer(cls, plan: Plan, inputs: TrainerInputs) -> TrlOverrides:
        """TRL's trainer, ready to run."""
        from domainkit.training.objectives.trl_overrides import arguments, build

        kind, config = cls.trl
        return build(kind, plan, inputs, arguments(config, plan, **cls.options(plan, inputs)))


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
