"""Attacks on the zip: archives that two readers would read differently, or not survive."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Iterable

from safetycase.bundle import layout
from tests.kit.builder import KitCase
from tests.kit.register import Alters, after_stage, attack

_EARLIEST = (1980, 1, 1, 0, 0, 0)
_BOMB_BYTES = 64 * 2**20


def container(function: Alters) -> Alters:
    """Register an outsider's attack that the first stage must end."""
    return attack("container", "outsider", refused_by={"CON-001"}, unknown=after_stage(0))(
        function
    )


def _entry(
    name: str, *, stored: bool = False, mode: int = stat.S_IFREG | 0o644
) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EARLIEST)
    info.create_system = 3
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    return info


def _members(case: KitCase) -> list[tuple[zipfile.ZipInfo, bytes]]:
    listed = [(_entry(layout.MIMETYPE_NAME, stored=True), layout.MIMETYPE)]
    listed += [(_entry(name), case.members[name]) for name in layout.in_order(case.members)]
    return listed


def _zipped(entries: Iterable[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", allowZip64=False) as archive:
        for info, data in entries:
            archive.writestr(info, data)
    return buffer.getvalue()


def _with_entry(case: KitCase, info: zipfile.ZipInfo, data: bytes) -> bytes:
    return _zipped([*_members(case), (info, data)])


@container
def member_twice(case: KitCase) -> bytes:
    """Put a second case.json into the zip, under the name of the first.

    A reader that takes the last one sees other figures than the verifier.
    """
    data = _with_entry(case, _entry("CASE.json"), case.members["case.json"])
    return data.replace(b"CASE.json", b"case.json")


@container
def bytes_after_the_archive(case: KitCase) -> bytes:
    """Append bytes after the end record.

    A second archive behind the first is what some readers open.
    """
    return case.to_bytes() + b"PK\x05\x06" + bytes(18)


@container
def bytes_before_the_archive(case: KitCase) -> bytes:
    """Put a script in front of the first member, as self-extracting archives do.

    The file is a valid zip and a program at once.
    """
    return b"#!/bin/sh\nexit 0\n" + case.to_bytes()


@container
def zip_bomb(case: KitCase) -> bytes:
    """Add a table of 64 MiB of zeros, which deflates to 64 KiB.

    A verifier that inflates before it counts runs out of memory.
    """
    return _with_entry(case, _entry("evidence/zeros.jsonl"), bytes(_BOMB_BYTES))


@container
def symbolic_link(case: KitCase) -> bytes:
    """Add a member that is a symbolic link to a file of the machine.

    Unpacking it would read, or write, a file outside the case.
    """
    info = _entry("evidence/link.jsonl", mode=stat.S_IFLNK | 0o777)
    return _with_entry(case, info, b"/etc/passwd")


@container
def path_out_of_the_case(case: KitCase) -> bytes:
    """Name a member so that it leaves the folder it is unpacked into.

    Unpacking it overwrites a file of the reader's.
    """
    return _with_entry(case, _entry("evidence/../../policy.yaml"), b"signers: []\n")


@container
def upper_case_twin(case: KitCase) -> bytes:
    """Add Case.json beside case.json.

    On a file system that folds letter case one of the two overwrites the other.
    """
    return _with_entry(case, _entry("Case.json"), case.members["case.json"])


@container
def no_mimetype(case: KitCase) -> bytes:
    """Leave out the member that says what the archive is.

    Any zip could pass for a case, and be opened by whatever else claims it.
    """
    return _zipped(_members(case)[1:])


@container
def deflated_mimetype(case: KitCase) -> bytes:
    """Deflate the mimetype, so that the first bytes no longer say what the file is.

    Tools that look at the first bytes take it for another kind of file.
    """
    (_, mimetype), *rest = _members(case)
    return _zipped([(_entry(layout.MIMETYPE_NAME), mimetype), *rest])


@container
def name_outside_the_layout(case: KitCase) -> bytes:
    """Add a member that no case has: a policy that names the attacker's keys.

    A verifier that looks for its policy inside the case trusts the attacker.
    """
    return _with_entry(case, _entry("policy.yaml"), b"signers: []\n")


@container
def header_and_directory_disagree(case: KitCase) -> bytes:
    """Rename a member in the directory but not in its own header.

    Readers that stream see another file than readers that seek.
    """
    data = case.to_bytes()
    place = data.rindex(b"evidence/items.jsonl")
    return data[:place] + b"evidence/itens.jsonl" + data[place + 20 :]


@container
def encrypted_member(case: KitCase) -> bytes:
    """Set the encryption flag of the last member in header and directory.

    What the verifier cannot read, the author can show to whom he likes.
    """
    data = bytearray(case.to_bytes())
    central = data.rindex(b"PK\x01\x02")
    local = int.from_bytes(data[central + 42 : central + 46], "little")
    data[central + 8] |= 1
    data[local + 6] |= 1
    return bytes(data)


@container
def wrong_checksum(case: KitCase) -> bytes:
    """Change the declared CRC of the last member in header and directory.

    A damaged file passes for a whole one.
    """
    data = bytearray(case.to_bytes())
    central = data.rindex(b"PK\x01\x02")
    local = int.from_bytes(data[central + 42 : central + 46], "little")
    data[central + 16] ^= 1
    data[local + 14] ^= 1
    return bytes(data)


@container
def truncated_file(case: KitCase) -> bytes:
    """Cut the last thousand bytes off.

    An unfinished download passes for a case.
    """
    return case.to_bytes()[:-1000]


@container
def empty_file(_case: KitCase) -> bytes:
    """Hand in a file of no bytes.

    Nothing at all is verified, and nothing fails.
    """
    return b""


@container
def overlapping_data(case: KitCase) -> bytes:
    """Let the second member's directory entry point at the first member's header.

    One stretch of bytes is two members, so that sizes can be declared away.
    """
    data = bytearray(case.to_bytes())
    first = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", first + 4)
    data[second + 42 : second + 46] = bytes(4)
    return bytes(data)
