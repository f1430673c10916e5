"""domainkit check on a million short rows: seconds and peak memory, beside what pandas alone needs for the same file.

python -m benchmarks.files.reading [ROWS]
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.runs import save

WORDS = (
    "card",
    "lost",
    "transfer",
    "fee",
    "late",
    "pin",
    "account",
    "balance",
    "top",
    "cash",
    "abroad",
    "rate",
    "limit",
    "up",
)
_MEASURED = """
import json, re, sys, time
start, cpu = time.perf_counter(), time.process_time()
{work}
# Not getrusage's peak, which includes that of the process before exec.
peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
print(json.dumps([time.perf_counter() - start, time.process_time() - cpu, peak]))
"""
CHECK = "from domainkit.corpus.check import inspect\nfound = inspect(sys.argv[1])\nassert not found.problems"
PANDAS = {
    ".jsonl": "import pandas\npandas.read_json(sys.argv[1], lines=True)",
    ".csv": "import pandas\npandas.read_csv(sys.argv[1])",
    ".parquet": "import pandas\npandas.read_parquet(sys.argv[1])",
}


def write(folder: Path, count: int) -> dict[str, Path]:
    """The same short rows in three formats."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        (f"where is my {WORDS[i % 14]} number {i}?", f"{WORDS[i * 7 % 14]} {WORDS[i % 11]} answer")
        for i in range(count)
    ]
    files = {suffix: folder / f"rows{suffix}" for suffix in PANDAS}
    with files[".jsonl"].open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"input": q, "target": a}) + "\n" for q, a in rows)
    with files[".csv"].open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("input", "target"), *rows])
    pq.write_table(pa.table({"input": [q for q, _ in rows], "target": [a for _, a in rows]}), files[".parquet"])
    return files


def measured(work: str, file: Path) -> dict[str, float]:
    """Seconds, processor seconds and peak MiB of the work on the file, in a process of its own."""
    code = [sys.executable, "-c", _MEASURED.format(work=work), str(file)]
    out = subprocess.run(code, check=True, capture_output=True, text=True).stdout
    wall, processor, peak = json.loads(out.splitlines()[-1])
    return {"wall": round(wall, 1), "processor": round(processor, 1), "peak_mib": round(peak)}


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    table: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix, file in write(Path(folder), count).items():
            row = {"file": suffix, "mb": round(file.stat().st_size / 1e6, 1)}
            row |= {"check": measured(CHECK, file), "pandas": measured(PANDAS[suffix], file)}
            table.append(row)
            print(row, flush=True)
    save("reading", {"count": count, "rows": table})


if __name__ == "__main__":
    main()
