"""CompareConfig: the options of a comparison. Each option's meaning is written once, under its field."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, field_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from domainkit.corpus.chunk import CHUNK_WORDS
from domainkit.corpus.readers import formats
from domainkit.evaluation.metrics import BatchMetric
from domainkit.evaluation.task import Kind
from domainkit.inference.server_url import ServerURL
from domainkit.models import Quantization
from domainkit.models.thinking import ThinkingChoice
from domainkit.own_code import is_factory
from domainkit.registry import suggestion
from domainkit.retrieval import RETRIEVERS
from domainkit.retrieval.long_embedding import HOURS


class CompareConfig(BaseModel):
    """How to compare. The questions, examples, documents and adapters are not options: compare() takes them by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    base: str | None = None
    """Base model; left out, the adapter's, else builtin:smollm2-135m."""
    revision: str | None = None
    """Revision of a hub id (branch, tag or commit)."""
    quantization: Quantization | None = None
    """Frozen weights: nf4, int8, none or auto; left out, as the adapter was trained, else auto."""
    server: ServerURL | None = None
    """Address of an OpenAI-compatible server that answers for the base (vLLM, SGLang, llama-server, domainkit serve);
    training, tokenizer and template stay those of the base here, and the server is checked against them. It has
    adapters loaded."""
    kind: Kind | None = None
    """Task kind: label, answer, labels (several), fields (a JSON object), text or calls; left out, it is read from the
    data, saying why."""
    baseline: str | None = None
    """The variant the others are measured against, declared before the run; left out, few-shot, else zero-shot, else
    the first that runs."""
    metrics: tuple[str | SkipJsonSchema[InstanceOf[BatchMetric]], ...] | None = None
    """Metrics, comma-separated; the verdict is about the first. Left out, all metrics of the task's kind. "judge" and
    "judge_pairs" are those of `judge`."""
    judge: str | None = None
    """Chat model that grades every answer by `rubric` (metric judge), and compares the recommended variant's answers
    with the baseline's (metric judge_pairs, where `metrics` names it): provider:model of LangChain's integrations,
    server:URL#model, module:function, a base, or an adapter."""
    rubric: str | None = None
    """What makes an answer good, for `judge`: the text, or a file that holds it."""
    margin: float = Field(0.02, gt=0, lt=1)
    """Differences within ± this share of the score count as equivalent (0.02 = 2 points)."""
    shots: int = Field(8, ge=1)
    """Solved examples in a few-shot prompt."""
    passages: int = Field(3, ge=1)
    """Passages put before the question by retrieval."""
    passage_words: int = Field(CHUNK_WORDS, ge=16)
    """Longest passage in words; a longer document is split between paragraphs, else sentences."""
    retriever: str = "fused"
    """How passages are found: lexical (BM25), dense (MiniLM), or both fused by rank. Other packages may add more.
    module:function of your own makes a LangChain BaseRetriever: your store is searched, and no corpus is needed."""
    embed_hours: float = Field(HOURS, gt=0)
    """Embedding a corpus that would take more hours is refused beforehand, with the time it would take."""
    decoding: Literal["closed", "free"] = "closed"
    """Tasks with labels or fields: closed makes every answer one of the labels, a list of them, or an object of the
    schema by grammar; free lets the model write anything, and counts answers that cannot be read."""
    max_tokens: int | None = Field(None, ge=1)
    """Most new tokens per answer; left out, 1.5 times the longest training target."""
    thinking: ThinkingChoice | None = None
    """Of models that think: off, on, or a number: the most tokens of reasoning, after which the answer follows. Left
    out, as the adapter was trained, else off. A model without such a setting is named."""
    batch_size: int = Field(64, ge=1)
    """Questions answered together."""
    concurrency: int = Field(8, ge=1)
    """Questions that are under way at once to a model outside this process. Its own rate limiter and retries hold,
    too."""
    refresh: bool = False
    """Ask models outside this process again, although their answers are on disk: a hosted model can change."""
    budget: float | None = Field(None, gt=0)
    """Most money that this run may pay for tokens, in the currency of `prices`. It stops before the question that would
    pass it, and keeps what was answered."""
    latency_items: int = Field(5, ge=0)
    """Questions that are asked again, one at a time, to time a single answer."""
    purpose: Literal["test", "dev"] = "test"
    """test: these figures are the ones to report. dev: they are for choosing settings, and the questions are no longer
    a test."""
    race: bool = False
    """Ask in random blocks of 20, and stop asking a variant once it is clearly worse than another. The intervals stay
    valid although the race looks at the scores after every block."""
    prices: str | None = None
    """Price table (TOML) over the defaults of domainkit/verdict/costs/prices.toml: machine-hour, tokens, labels."""
    general: str | None = None
    """General multiple-choice questions (JSON Lines of question, choices, answer), to measure what the adapter
    forgot."""
    general_text: str | None = Field(
        None,
        description=f"General text ({formats()}; a file or a folder), for bits per byte with and without the adapter. "
        "Needs `general`.",
    )
    forgetting_margin: float = Field(0.02, gt=0, lt=1)
    """The forgetting gate passes when the adapter loses less than this share of general questions (0.02 = 2 points),
    with 95 % confidence."""
    fit_seeds: int = Field(1, ge=1)
    """How many adapters --fit trains, with the same settings and different seeds. With two or more, the report also
    says what holds over seeds."""
    seed: int = 0
    """Seeds the choice of the fixed examples and every resampling."""

    @field_validator("retriever")
    @classmethod
    def _retriever_is_in_the_table(cls, name: str) -> str:
        if name not in RETRIEVERS and not is_factory(name):
            raise PydanticCustomError("unknown_retriever", "{hint}", {"hint": suggestion(name, RETRIEVERS)})
        return name

    @field_validator("metrics", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value
