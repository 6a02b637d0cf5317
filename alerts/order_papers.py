"""What is recorded of the work on an order, and what is signed: forms, the content that a signature covers, its hash.

Pure.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from alerts.alert import IllegalTransitionError
from alerts.checklists import TRIP_CODE, CheckBook, CheckEntry, CheckResult
from alerts.work_orders import WorkOrder

PARTS_MAX = 200
FILES_MAX = 20
FILE_BYTES_MAX = 5 * 1024 * 1024
# How each kind of file begins; a file that begins otherwise is not what it says.
MEDIA_TYPES = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n", "application/pdf": b"%PDF-"}


# What a file ends with once it is saved: a name must not make a program of a picture.
SUFFIXES = {"image/jpeg": (".jpg", ".jpeg"), "image/png": (".png",), "application/pdf": (".pdf",)}


class Role(StrEnum):
    """Who signs (WO-06, WO-07)."""

    TECHNICIAN = "technician"
    OWNER = "owner"


class Part(Struct, frozen=True, kw_only=True):
    """A part or a consumable that was used (SP-01: it stands on the sheet of the order that needed it)."""

    id: int
    name: str
    part_number: str | None
    quantity: float
    note: str | None
    by: str
    at: datetime


class OrderFile(Struct, frozen=True, kw_only=True):
    """A photo or document; its content is named by its hash."""

    id: int
    sha256: str
    name: str
    media_type: str
    size_bytes: int
    by: str
    at: datetime


class Signature(Struct, frozen=True, kw_only=True):
    """Who signed, when, and for which content."""

    role: Role
    name: str
    at: datetime
    content_sha256: str
    image_file_id: int | None = None


class Papers(Struct, frozen=True, kw_only=True):
    """Everything that is recorded of an order."""

    checks: list[CheckEntry]
    parts: list[Part]
    files: list[OrderFile]
    signatures: list[Signature]


# What goes on after a signature: the steps of the order itself, and what they leave behind.
_NOT_SIGNED = frozenset(
    {
        "state",
        "closed_at",
        "version",
        "signed_at",
        "clock_due_at",
        "alert_ids",
        "external_source",
        "external_ref",
        "repairs_in_a_row",
    }
)


def signed_fields(order: WorkOrder) -> dict[str, Any]:
    """Return what a signature covers of the order itself, as JSON can hold it."""
    return {name: value for name, value in msgspec.to_builtins(order).items() if name not in _NOT_SIGNED}


def content_sha256(order: WorkOrder, papers: Papers) -> str:
    """Return the hash of what a signature covers: order, checks, parts and files, in one fixed form."""
    content = {
        "work_order": signed_fields(order),
        "checks": msgspec.to_builtins(sorted(papers.checks, key=lambda one: one.code)),
        "parts": msgspec.to_builtins(papers.parts),
        "files": [[one.id, one.sha256, one.name] for one in papers.files],
    }
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def signed_error(order: WorkOrder) -> IllegalTransitionError:
    """Return the refusal of a change to what was signed."""
    return IllegalTransitionError(f"{order.number} is signed: what was recorded stands; a correction is a remark")


def lacking_to_close(order: WorkOrder, papers: Papers, book: CheckBook, trip_at: datetime | None) -> list[str]:
    """Return what a lift cannot be handed back without (WO-04 to WO-07, WO-19); nothing for a rescue.

    `trip_at` is when the lift made a trip after the work; a person can state it where the lift tells none.
    """
    leaving = book.leaving(order.kind)
    if not leaving:
        return []
    done = {entry.code for entry in papers.checks}
    left = {entry.code for entry in papers.checks if entry.result is not CheckResult.SKIPPED}
    if trip_at is not None:
        left.add(TRIP_CODE)
    lacking = [f"{check.code} {check.text}" for check in leaving if check.code not in left]
    checks = book.checks(order.kind, order.scope)
    open_checks = sum(check.code not in done for check in checks)
    if open_checks:
        lacking.append(f"{open_checks} of {len(checks)} checks of the list")
    signed = {signature.role for signature in papers.signatures}
    return lacking + [f"the signature of the {role.value}" for role in Role if role not in signed]


def saved_name(file: OrderFile) -> str:
    """Return the name under which a file is saved: its own, with the ending of what it really is."""
    suffixes = SUFFIXES[file.media_type]
    return file.name if file.name.lower().endswith(suffixes) else file.name + suffixes[0]


def fault_of_file(content: bytes, media_type: str, files: Sequence[OrderFile]) -> str | None:
    """Return why a file is not taken; None: it is."""
    if media_type not in MEDIA_TYPES:
        return f"only {', '.join(MEDIA_TYPES)} are kept"
    if not content.startswith(MEDIA_TYPES[media_type]):
        return f"the file is no {media_type}"
    if len(content) > FILE_BYTES_MAX:
        return f"a file holds at most {FILE_BYTES_MAX} bytes"
    if len(files) >= FILES_MAX:
        return f"an order holds at most {FILES_MAX} files"
    return None
