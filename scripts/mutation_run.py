"""Tries mutants: one process that has the tests collected, and a fork of it for each mutant.

`python mutation_run.py NAMES RESULTS JOBS`, in the copy that `mutation_tree` makes. NAMES is a
JSON list; RESULTS gets a JSON line a mutant. Tests are asked in this order until one fails, or
BUDGET seconds of processor time are spent:

1. the unit tests of the module, whatever they take;
2. of a check, the attacks that it refuses, those first that little else refuses; of another
   module, the unit tests that import it;
3. the honest cases of the kit that run the line, which must pass;
4. other attacks of the family, or on those cases; tests that alter one thing in a case.

What a test needs of honest and attacked cases is made before the fork, by the code as it is.
A test that fails is tried without the mutant too, once: if it fails then, all stops.
"""

from __future__ import annotations

import hashlib
import os
import re
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import coverage
import msgspec
import pytest
from mutation_change import change
from mutmut.mutation.trampoline import set_mutant_under_test

BUDGET = 6.0
"""Seconds of processor time after which no other test is begun."""
PATIENCE = 40
"""Seconds of processor time after which a mutant hangs."""
FEW = 12
"""Honest cases a mutant is given at most, and attacked ones that are made before it is."""
MEMORY = 4 * 2**30
"""Bytes of address space beyond which a mutant gets no more."""
KILLED, ALIVE, BROKEN, HUNG = "killed", "alive", "broken", "hung"
ATTACKS = "tests/vectors/test_attacks.py"
HONEST = "tests/vectors/test_honest_cases.py"
OWNERSHIP = "tests/unit/verify/test_ownership.py"
CHECKS = "safetycase.verify.checks."
SELECTION = (
    "tests/unit/test_canonical.py", "tests/unit/digest", "tests/unit/envelope",
    "tests/unit/methods", "tests/unit/verify",
    f"{ATTACKS}::test_refused_by_exactly_the_declared_checks",
    f"{ATTACKS}::test_left_undecided_by_exactly_the_declared_checks",
    f"{HONEST}::test_every_check_passes_or_is_declared_not_to",
)  # fmt: skip
ASKED = frozenset(
    {
        "holding", "two claims", "every control", "clusters", "missing answers", "a judge",
        "majority of three samples", "with a page", "no feature on one axis", "audit traces",
        "other searches", "classes by outcome", "given texts", "strata", "refusals alone",
        "scaled and clamped", "a refusal direction", "groups", "several turns",
        "a dictionary of two blocks",
    }
)  # fmt: skip
"""Honest cases that ask something each; the others run the lines of one of these."""
REMEMBERING = type(cache(len))


class Result(msgspec.Struct):
    """What became of a mutant, by which test, in how much processor time."""

    name: str
    fate: str
    test: str
    seconds: float


class Trial:
    """A plugin of pytest that tries mutants in place of running all tests once."""

    def __init__(self, names: list[str], results: Path, jobs: int) -> None:
        """What to try, where to write, and how many at a time."""
        self._names, self._results, self._jobs = names, results, jobs
        self._files: dict[str, list[pytest.Item]] = defaultdict(list)
        self._sound: set[str] = set()
        self._running: dict[int, tuple[str, int]] = {}
        self._reached: dict[str, dict[str, set[int]]] = {}

    def pytest_configure(self) -> None:
        """The same examples every time, and no haste on a busy machine."""
        import hypothesis  # noqa: PLC0415 — pytest rewrites its assertions, before any import

        hypothesis.settings.register_profile(
            "mutation", deadline=None, derandomize=True, database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )  # fmt: skip
        hypothesis.settings.load_profile("mutation")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try one mutant after the other."""
        self._sort(session.items)
        self._reached = self._reach(session)
        for name in self._names:
            items = list(self._chosen(name))
            self._prepare(items)
            while len(self._running) >= self._jobs:
                self._reap(session)
            read, write = os.pipe()
            process = os.fork()
            if process == 0:
                _try(session, name, items, write)
            os.close(write)
            self._running[process] = name, read
        while self._running:
            self._reap(session)
        return True

    def _sort(self, items: list[pytest.Item]) -> None:
        """Tests by file, in each those last that try many examples."""
        for item in items:
            file = item.nodeid.partition("::")[0]
            if file != HONEST or _case(item) in ASKED:
                self._files[file].append(item)
        for each in self._files.values():
            each.sort(key=_has_many_examples)
        unknown = ASKED - set(map(_case, self._files[HONEST]))
        if unknown:
            raise pytest.UsageError(f"no honest cases {sorted(unknown)}")

    def _reap(self, session: pytest.Session) -> None:
        process, status, usage = os.wait4(-1, 0)
        name, read = self._running.pop(process)
        with os.fdopen(read) as pipe:
            test = pipe.read()
        code = os.waitstatus_to_exitcode(status)
        fate = {0: ALIVE, 1: KILLED, 3: BROKEN}.get(code, HUNG)
        if fate == KILLED:
            self._require_sound(session, test)
        used = round(usage.ru_utime + usage.ru_stime, 2)
        line = msgspec.json.encode(Result(name, fate, test, used))
        with self._results.open("ab") as file:
            file.write(line + b"\n")

    def _require_sound(self, session: pytest.Session, test: str) -> None:
        if test in self._sound:
            return
        process = os.fork()
        if process == 0:
            items = [i for i in self._files[test.partition("::")[0]] if i.nodeid == test]
            _try(session, "", items, os.open(os.devnull, os.O_WRONLY))
        _, status = os.waitpid(process, 0)
        if status:
            raise pytest.UsageError(f"{test} fails without any mutant")
        self._sound.add(test)

    def _chosen(self, name: str) -> Iterator[pytest.Item]:
        module = name.rpartition(".")[0]
        first = _unit_file(module)
        yield from self._files.get(first, ())
        attacks = self._attacks(module, name.rpartition(".")[2])
        yield from (item for item, own in attacks if own)
        if not module.startswith(CHECKS):
            for file in sorted(set(self._files) - {first, ATTACKS, HONEST, OWNERSHIP}):
                if _imports(file, module):
                    yield from self._files[file]
        found = change(Path(), name)
        changed = set(range(found.first, found.last + 1))
        honest = [
            item
            for item in self._files[HONEST]
            if changed & self._reached[_case(item)].get(module, set())
        ]
        yield from honest[:FEW]
        yield from (item for item, own in attacks if not own)
        if not module.startswith(CHECKS):
            yield from self._attacks_on({_case(item) for item in honest}, module)
        if honest:
            yield from self._files[OWNERSHIP]

    def _attacks(self, module: str, mutant: str) -> list[tuple[pytest.Item, bool]]:
        """Attacks that a check's family refuses, and whether it does; first what few refuse."""
        if not module.startswith(CHECKS):
            return []
        function = mutant.removeprefix("x_").partition("__mutmut_")[0]
        asked = _refusals(module.removeprefix(CHECKS), function)
        items = [item for item in self._files[ATTACKS] if _case(item) in asked]
        items.sort(key=lambda item: asked[_case(item)])
        return [(item, not asked[_case(item)][0]) for item in items]

    def _attacks_on(self, cases: set[str], module: str) -> list[pytest.Item]:
        """Attacks on honest cases, those first of the family with the module's name."""
        from tests.kit.cases import HONEST as BUILT  # noqa: PLC0415, TID251
        from tests.kit.register import register_all  # noqa: PLC0415, TID251

        known, bases = register_all(), {BUILT[case] for case in cases}
        items = [item for item in self._files[ATTACKS] if known[_case(item)].base in bases]
        last = module.rpartition(".")[2]
        return sorted(items, key=lambda item: known[_case(item)].family != last)

    def _reach(self, session: pytest.Session) -> dict[str, dict[str, set[int]]]:
        """The lines, module by module, that verifying each honest case runs, by its name."""
        index = Path("index.json").read_bytes() + Path("tests/kit/cases.py").read_bytes()
        kept = Path(f"reached-{hashlib.sha256(index).hexdigest()}.json")
        if kept.exists():
            return msgspec.json.decode(kept.read_bytes(), type=dict[str, dict[str, set[int]]])
        reached: dict[str, dict[str, set[int]]] = {}
        for item in self._files[HONEST]:
            _forget()
            watch = coverage.Coverage(data_file=None, include=["*/safetycase/*"])
            with watch.collect():
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if session.testsfailed:
                raise pytest.UsageError(f"{item.nodeid} fails without any mutant")
            data = watch.get_data()
            reached[_case(item)] = {
                _module(file): set(data.lines(file) or ()) for file in data.measured_files()
            }
        kept.write_bytes(msgspec.json.encode(reached))
        return reached

    def _prepare(self, items: list[pytest.Item]) -> None:
        """Make the cases of the first tests, as many as a mutant may get to."""
        from tests.kit import builder, cases, trial  # noqa: PLC0415, TID251

        if any(item.nodeid.startswith((ATTACKS, OWNERSHIP)) for item in items):
            builder.honest_case()
        for item in [each for each in items if each.nodeid.startswith(HONEST)][:FEW]:
            cases.HONEST[_case(item)]()
        for item in [each for each in items if each.nodeid.startswith(ATTACKS)][:FEW]:
            trial._altered(_case(item))  # noqa: SLF001 — what a test of the kit begins with


def _try(session: pytest.Session, name: str, items: list[pytest.Item], write: int) -> None:
    """In a fork: ask the tests in turn; never returns."""
    code = 3
    try:
        own = _unit_file(name.rpartition(".")[0])
        set_mutant_under_test(name)
        _forget()
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        signal.setitimer(signal.ITIMER_PROF, PATIENCE)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        session.testsfailed = 0
        session.shouldfail = session.shouldstop = False
        began, code = time.process_time(), 0
        for item, after in zip(items, [*items[1:], None], strict=True):
            if item.nodeid.startswith(f"{own}::"):
                began = time.process_time()
            if time.process_time() - began > BUDGET:
                break
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            if session.testsfailed:
                os.write(write, item.nodeid.encode())
                code = 1
                break
    except BaseException:  # noqa: BLE001 — whatever it was, the mutant did it
        code = 3
    finally:
        os._exit(code)


def _forget() -> None:
    """Empty what the package, and verdicts of the kit, remember from before the mutant."""
    for name, module in list(sys.modules.items()):
        if name.startswith(("safetycase.", "tests.kit.")):
            for each in list(vars(module).values()):
                if isinstance(each, REMEMBERING) and _is_of_the_mutant(each):
                    each.cache_clear()


def _is_of_the_mutant(function: Callable[..., object]) -> bool:
    name = function.__name__
    return function.__module__.startswith("safetycase.") or name.endswith("_verdict")


def _unit_file(module: str) -> str:
    folders, _, last = module.removeprefix("safetycase.").replace(".", "/").rpartition("/")
    return f"tests/unit/{folders}{'/' if folders else ''}test_{last}.py"


def _has_many_examples(item: pytest.Item) -> bool:
    return getattr(getattr(item, "obj", None), "is_hypothesis_test", False)


def _module(file: str) -> str:
    inside = Path(file).with_suffix("").parts
    return ".".join(inside[len(inside) - inside[::-1].index("safetycase") - 1 :])


def _case(item: pytest.Item) -> str:
    return item.nodeid.rpartition("[")[2].rstrip("]")


@cache
def _imports(file: str, module: str) -> bool:
    parent, _, last = module.rpartition(".")
    text = Path(file).read_text()
    beside = rf"from {re.escape(parent)} import [^\n]*\b{last}\b"
    return f"from {module} import" in text or re.search(beside, text) is not None


@cache
def _refusals(file: str, function: str) -> dict[str, tuple[bool, int]]:
    """Attacks that a file's family refuses: whether not this check, and how many do."""
    from safetycase.verify import checks  # noqa: PLC0415 — a mutated module
    from tests.kit.register import register_all  # noqa: PLC0415, TID251 — a runner of tests

    module = getattr(checks, file)
    family = set(module.FAMILY.checks)
    title = (getattr(module, function, None).__doc__ or "").strip()
    own = {name for name, check in module.FAMILY.checks.items() if check.title == title}
    refused = {
        name: attack.refused_by | attack.unknown for name, attack in register_all().items()
    }
    return {name: (not own & by, len(by)) for name, by in refused.items() if family & by}


def main() -> int:
    """Try the mutants of a list."""
    names, results, jobs = sys.argv[1:]
    listed = msgspec.json.decode(Path(names).read_bytes(), type=list[str])
    options = [
        "--rootdir=.", "--override-ini=addopts=--import-mode=importlib", "-qq",
        "--capture=no", "--tb=no", "-p", "no:randomly", "-p", "no:cacheprovider",
        "-p", "no:xdist",
    ]  # fmt: skip
    trial = Trial(listed, Path(results), int(jobs))
    return int(pytest.main([*options, *SELECTION], plugins=[trial]))


if __name__ == "__main__":
    sys.exit(main())
