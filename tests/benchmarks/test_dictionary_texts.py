"""Excerpts are drawn once per stretch, and pages are read without what no reader sees."""

from __future__ import annotations

import gzip
from pathlib import Path

from benchmarks.dictionary_texts import CHARACTERS, excerpts, glosses, pages, plain


def test_every_stretch_gives_one_excerpt_from_a_line_s_beginning() -> None:
    text = "".join(f"line {number}\n" for number in range(20_000))
    drawn = excerpts(text, 8, "1")
    assert drawn == excerpts(text, 8, "1")
    assert drawn != excerpts(text, 8, "2")
    starts = [text.index(each) for each in drawn]
    assert [start * 8 // len(text) for start in starts] == list(range(8))
    assert {len(each) for each in drawn} == {CHARACTERS}
    assert all(each.startswith("line ") for each in drawn)


def test_pages_and_files_are_read_as_text(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        "<html><head><title>no</title></head><body><nav>no</nav><p>One <b>two</b><br>three</p>"
        '<div class="sphinxsidebar"><div>no<img></div></div><script>no</script><p>four</p>'
    )
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"five"))
    (tmp_path / "c.txt").write_text("six")
    (tmp_path / "d.txt").symlink_to("c.txt")
    assert list(pages("*.html")(tmp_path)) == ["One two\nthree\n\nfour"]
    assert list(plain("*.gz", "*.txt", "c.*")(tmp_path)) == ["five", "six"]


def test_glosses_are_what_stands_behind_the_bar(tmp_path: Path) -> None:
    folder = tmp_path / "usr/share/wordnet"
    folder.mkdir(parents=True)
    (folder / "data.noun").write_text(
        "  1 licence\n00001740 03 n 01 entity 0 000 | that which is  \n"
    )
    assert list(glosses(tmp_path)) == ["that which is"]
