"""A file that ends its reader costs nothing but itself."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from domainkit.corpus.sandbox.child import LEAKED_BYTES
from domainkit.corpus.sandbox.process import SandboxedReader


def pdf(content: bytes, more: bytes = b"") -> bytes:
    """A PDF of one page with this content stream, as its objects; readers find them without a table."""
    return (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R"
        b"/Resources<</Font<</F 5 0 R>>>>>>endobj\n"
        b"4 0 obj<<" + more + b"/Length %d>>stream\n" % len(content) + content + b"\nendstream endobj\n"
        b"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\ntrailer<</Root 1 0 R>>\n"
    )


def bomb() -> bytes:
    """4 GB of spaces in some kB: compressed twice."""
    once = zlib.compressobj(9)
    block, again = (once.compress(b" " * 2**24) + once.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    data = block + again * 255 + once.flush()
    return pdf(zlib.compress(data, 9), b"/Filter[/FlateDecode/FlateDecode]")


def test_a_bomb_is_one_error_and_the_next_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "bomb.pdf").write_bytes(bomb())
    (tmp_path / "good.pdf").write_bytes(pdf(b"BT /F 12 Tf 72 700 Td (Hello orchard) Tj ET"))
    with SandboxedReader(wall_seconds=2) as reader:
        documents, [problem] = reader.read(tmp_path / "bomb.pdf", "bomb", ".pdf")
        assert documents == []
        assert problem.path == str(tmp_path / "bomb.pdf")
        assert problem.what.startswith(("broke its reader", "needs more than 1,024 MiB", "took more than"))
        [good], problems = reader.read(tmp_path / "good.pdf", "good", ".pdf")
    assert (good.id, good.text, good.source, problems) == ("good", "Hello orchard", str(tmp_path / "good.pdf"), [])


def test_a_file_that_takes_too_long_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "slow.html").write_text("<p>" + "<b>" * 100_000)
    with SandboxedReader(wall_seconds=0.01) as reader:
        documents, [problem] = reader.read(tmp_path / "slow.html", "slow", ".html")
        assert not documents
        assert problem.what == "took more than 0 seconds to be read"


def test_one_process_reads_many_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.html").write_text(f"<p>{name}</p>")
    with SandboxedReader() as reader:
        reader.read(tmp_path / "a.html", "a", ".html")
        first = reader._process
        [document], _ = reader.read(tmp_path / "b.html", "b", ".html")
        assert (document.text, reader._process) == ("b", first)
        assert first is not None
        first.kill()
        first.wait()
        [document], _ = reader.read(tmp_path / "a.html", "a", ".html")
        assert document.text == "a"
        running = reader._process
    assert running is not None
    assert running.poll() is not None


def test_the_memory_of_the_parent_does_not_end_the_process_after_each_file(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<p>a</p>")
    held = bytearray(os.urandom(1024)) * (LEAKED_BYTES // 1000)  # written, so that it is resident
    with SandboxedReader() as reader:
        reader.read(tmp_path / "a.html", "a", ".html")
        assert reader._process is not None
    assert len(held) > LEAKED_BYTES


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no limits of a process")
def test_the_process_limits_itself() -> None:
    import subprocess
    import sys

    code = (
        "import resource as r; from domainkit.corpus.sandbox.child import limit_process, allow_cpu; limit_process(); "
        "allow_cpu(30); print([r.getrlimit(x)[0] for x in (r.RLIMIT_AS, r.RLIMIT_FSIZE, r.RLIMIT_CORE)], "
        "30 <= r.getrlimit(r.RLIMIT_CPU)[0] <= 40)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == f"[{2**30}, {50 * 2**20}, 0] True\n"
