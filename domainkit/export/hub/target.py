"""The export target hub: a folder with an allow-list of files, and its upload to a private repository."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, Protocol, cast

from domainkit.adapters.folder import CARD, PEFT_CONFIG, WEIGHTS, Adapter, check_replaceable, read_json_object
from domainkit.errors import ConfigError, MachineError, first_line
from domainkit.export.hub.model_card import model_card, read_comparison
from domainkit.export.target import Exported, ExportJob, export_target
from domainkit.models.tokenizer import TEMPLATE_FILES
from domainkit.storage import staged_folder, write_text
from domainkit.verdict.numbers import size

README = "README.md"
ALLOWED = (README, PEFT_CONFIG, WEIGHTS, CARD, *TEMPLATE_FILES)
"""The files that are pushed; card.json only where it names no folder of this machine."""


class HubApi(Protocol):
    """What is used of huggingface_hub's HfApi."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> object: ...

    def upload_folder(
        self, *, repo_id: str, folder_path: str, allow_patterns: list[str], commit_message: str
    ) -> Any: ...  # a CommitInfo, whose class is not imported before it is needed


@export_target(uses=("out", "base", "repo", "run", "dry_run"))
def export_hub(job: ExportJob) -> Exported:
    """Push an adapter with its model card; with dry_run, only show what would be pushed."""
    return push(job)


def push(job: ExportJob, api: HubApi | None = None) -> Exported:
    """Write the folder, and upload it in one commit to `repo`, which is made private where it is not there.

    Raises ConfigError for a wrong name or run, MachineError where the hub refuses or cannot be reached.
    """
    folder, repo = job.one_adapter(), _repo(job.repo)
    adapter = Adapter.load(folder, need_card=False)
    with tempfile.TemporaryDirectory() as work:
        out = job.out or Path(work) / "hub"
        check_replaceable(out)
        hub_base = _hub_base(job.base or (adapter.card.base if adapter.card else None))
        results = read_comparison(job.run) if job.run is not None else None
        _write(adapter, out, hub_base, model_card(adapter, repo, hub_base, results))
        lines = [f"{'Would push' if job.dry_run else 'Pushed'} to {repo} (private when it is new):"]
        lines += [f"  {p.name:28} {size(p.stat().st_size)}" for p in sorted(out.iterdir())]
        if hub_base is None:
            lines.append("Note: the base is not on the hub, so the card names no base_model and gives its fingerprint.")
        if job.dry_run:
            again = f"domainkit export {folder} --to hub --repo {repo}"
            return Exported((*lines, "", f"Next: read {out / README if job.out else README}, then {again}"), job.out)
        url = _upload(out, repo, api)
    return Exported((*lines, "", f"Next: {url}"), job.out)


def _repo(repo: str | None) -> str:
    if repo is None:
        raise ConfigError("names no repository", where="--repo", next_step="--repo OWNER/NAME")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise ConfigError(f"'{repo}' is not OWNER/NAME", where="--repo", next_step="--repo OWNER/NAME")
    return repo


def _hub_base(base: str | None) -> str | None:
    """`base` if it is an id on the hub; a folder, a GGUF file or a packaged model is none."""
    if base is None or base.startswith("builtin:") or not re.fullmatch(r"[\w.-]+/[\w.-]+", base):
        return None
    return None if Path(base).exists() or base.lower().endswith(".gguf") else base


def _write(adapter: Adapter, out: Path, hub_base: str | None, readme: str) -> None:
    base = adapter.card.base if adapter.card else ""
    tells_a_folder = not (hub_base == base or base.startswith("builtin:"))
    left_out = (README, PEFT_CONFIG, *((CARD,) if tells_a_folder else ()))
    with staged_folder(out) as staged:
        for name in ALLOWED:
            if (adapter.folder / name).is_file() and name not in left_out:
                shutil.copyfile(adapter.folder / name, staged / name)
        config = read_json_object(adapter.folder, PEFT_CONFIG)
        # A path of this machine helps nobody, and tells its user's name.
        config["base_model_name_or_path"] = hub_base
        config["revision"] = adapter.card.revision if adapter.card and hub_base else None
        write_text(staged / PEFT_CONFIG, json.dumps(config, indent=2, sort_keys=True) + "\n")
        write_text(staged / README, readme)


def _upload(folder: Path, repo: str, api: HubApi | None) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    api = api or cast(HubApi, HfApi())
    try:
        api.create_repo(repo, private=True, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo, folder_path=str(folder), allow_patterns=list(ALLOWED), commit_message="Adapter and model card"
        )
    except (HfHubHTTPError, LocalTokenNotFoundError, OSError) as e:
        raise MachineError(
            f"the hub did not take it: {first_line(e)}",
            where=repo,
            next_step="log in (hf auth login) with a token that may write there, and check the network; "
            "--dry-run --out FOLDER writes the folder alone",
        ) from e
    return str(commit.commit_url)
