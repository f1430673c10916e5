"""The command line at a glance: commands in groups, an example of each, and the order of their options."""

from __future__ import annotations

GROUPS = {
    "Start": {
        "init": "look at a folder, and write down what is to be done",
        "run": "all of it: check, split, train, compare, report",
    },
    "Data": {
        "check": "say how data are read, and what is wrong with them",
        "split": "divide rows into train, dev and test",
        "ingest": "read a folder of documents once",
        "make": "write questions and answers from documents",
    },
    "Train": {
        "train": "an adapter from rows or documents",
        "distil": "an adapter, or rows, from the answers of another model",
        "prefer": "an adapter from preferences, or from a reward",
        "methods": "list the adaptation methods",
    },
    "Compare": {
        "compare": "prompting, retrieval and fine-tuning on your questions",
        "report": "write a run's report again, or set two runs side by side",
        "review": "judge answers without knowing whose they are",
        "gate": "may this run replace that one?",
        "leave": "may a hosted model be left for an adapter of your own?",
    },
    "Use": {
        "ask": "a model, an adapter, or the winner of a run",
        "serve": "models behind OpenAI's API, on this machine",
        "pack": "a measured variant in one folder",
        "merge": "an adapter into its base, or several into one",
        "export": "to llama.cpp, Ollama, vLLM or a hub",
    },
    "Look after": {
        "watch": "have the questions changed since the comparison?",
        "doctor": "what this machine can do, and what is missing",
    },
}
"""Commands by what they are for, each with a line of help; the order is that of work."""

EXAMPLES: dict[str, tuple[str, ...]] = {
    "init": ("domainkit init desk", "domainkit init desk --yes"),
    "run": ("domainkit run desk",),
    "check": (
        "domainkit check tickets.csv",
        "domainkit check tickets.csv --map input=Question,target=Answer",
        "domainkit check tickets.csv --deep --out findings.csv",
    ),
    "split": (
        "domainkit split tickets.csv --out rows",
        "domainkit split tickets.csv --by group --field customer --out rows",
    ),
    "ingest": ("domainkit ingest manuals/ --out manuals.jsonl",),
    "make": ("domainkit make manuals/ --writer openai:gpt-5-mini --rows 200 --out made",),
    "train": (
        "domainkit train --data rows/train.jsonl --out adapter",
        "domainkit train --data rows/train.jsonl --out adapter epochs=2 method.rank=32",
        "domainkit train run.toml --out adapter --resume",
    ),
    "distil": (
        "domainkit distil --teacher openai:gpt-5-mini --inputs questions.txt --like rows/train.jsonl --out distilled",
        "domainkit distil --from runs/first:tuned-rag --out baked",
    ),
    "prefer": ("domainkit prefer --data pairs.jsonl --adapter adapter --out preferred",),
    "methods": ("domainkit methods", "domainkit methods lora"),
    "compare": (
        "domainkit compare --train rows/train.jsonl --task rows/test.jsonl --corpus manuals/ --fit --out runs/first",
        "domainkit compare --task rows/test.jsonl --adapter adapter --variants zero-shot,tuned --out runs/adapter",
    ),
    "report": ("domainkit report runs/first", "domainkit report --compare runs/first runs/second"),
    "review": ("domainkit review runs/first", "domainkit review runs/first --rows corrections.jsonl"),
    "gate": ("domainkit gate runs/candidate --against runs/released --margin 2",),
    "leave": (
        "domainkit leave --incumbent openai:gpt-5-mini --train rows/train.jsonl --task rows/test.jsonl --out left",
    ),
    "ask": (
        'domainkit ask --run runs/first "Where is my order?"',
        'domainkit ask --adapter adapter "Where is my order?"',
        "domainkit ask --run runs/first",
    ),
    "serve": ("domainkit serve runs/first", "domainkit serve adapter --port 8080"),
    "pack": ("domainkit pack runs/first --out support-desk",),
    "merge": ("domainkit merge adapter --data rows/dev.jsonl --out merged",),
    "export": ("domainkit export adapter --to gguf --out adapter.gguf --data rows/dev.jsonl",),
    "watch": ("domainkit watch watched --run runs/first", "domainkit watch watched"),
    "doctor": ("domainkit doctor",),
}
"""Lines that work once the files are there, for each command the commonest first."""

PANELS: dict[str, dict[str, tuple[str, ...]]] = {
    "check": {"Look closer": ("--deep", "--fix", "--label-next", "--n", "--out")},
    "split": {"Divide": ("--out", "--by", "--field", "--test", "--dev", "--seed")},
    "make": {
        "What to make": ("--writer", "--out", "--rows", "--test-share"),
        "What is kept": ("--judge", "--base", "--against"),
        "What it may cost": ("--budget-calls", "--budget-tokens", "--budget-money", "--prices"),
    },
    "train": {"Common options": ("--data", "--out", "--base", "--method", "--resume")},
    "distil": {
        "From a teacher's answers": ("--teacher", "--inputs", "--like", "--test", "--out"),
        "From a run": ("--from",),
        "What a good answer is": ("--judge", "--rubric", "--kind", "--labels", "--schema", "--tools"),
    },
    "prefer": {"Common options": ("--data", "--objective", "--adapter", "--reward", "--out", "--resume")},
    "compare": {
        "Common options": ("--task", "--train", "--corpus", "--fit", "--out", "--base", "--variants"),
        "What is compared": ("--adapter", "--context-adapter", "--retriever", "--model", "--server", "--race"),
        "How the rows are read": ("--map", "--kind", "--schema", "--tools", "--dev"),
        "How sure, and what it costs": ("--replicas", "--curve", "--general", "--general-text", "--prices", "--budget"),
    },
    "leave": {
        "Common options": ("--incumbent", "--train", "--task", "--out", "--margin", "--prices"),
        "What may take its place": ("--adapter", "--candidates", "--base", "--curve"),
    },
    "serve": {
        "Where": ("--host", "--port", "--api-key"),
        "Limits": ("--requests", "--seconds", "--prompt-tokens"),
    },
    "merge": {
        "Common options": ("--data", "--out", "--keep"),
        "Several adapters": ("--weights", "--combination", "--density"),
    },
    "export": {
        "Common options": ("--to", "--out", "--data", "--task"),
        "To the hub": ("--repo", "--run", "--dry-run"),
    },
    "review": {
        "At the desk": ("--reviewer", "--reviews", "--variants", "--rubric", "--port"),
        "What people said, as rows": ("--rows", "--pairs", "--references"),
    },
}
"""Options in the order of use; those that are not named here come last, as "More options"."""

FIRST_SETTINGS = ("epochs", "learning_rate", "batch_size", "metrics", "shots", "quantization", "seed", "method_options")
"""KEY=VALUE settings that are set most often; the others follow in the order of their configuration."""
