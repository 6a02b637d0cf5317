"""The sheet of a work order: checks, parts, files, signatures, remarks."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Body, Header, Path, Query, Response
from pydantic import BaseModel

from alerts.order_papers import MEDIA_TYPES, saved_name
from alerts.order_sheet import CheckFound
from api.bodies import Name, RecordId, Remark
from api.bodies_orders import FileName, FilledChecks, Signing, UsedPart
from api.once import OnceParameter
from api.problems import documented
from api.routes.paging import ServiceParameter
from api.routes.work_orders import OrderPath
from api.schemas_orders import (
    ChecklistView,
    FileView,
    OrderFiles,
    OrderParts,
    OrderSignatures,
    PartView,
    SignatureView,
    WorkOrderView,
    checklist_view,
    file_view,
    part_view,
    signature_view,
    signature_views,
    work_order_view,
)

router = APIRouter(prefix="/work-orders/{order_id}", tags=["work orders"])
FilePath = Annotated[RecordId, Path()]
_CONTENT = {"content": {media_type: {"schema": {"type": "string"}} for media_type in MEDIA_TYPES}}
_UPLOAD = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in MEDIA_TYPES}


@router.get("/checklist", responses=documented(404))
def checklist_of_work_order(service: ServiceParameter, order_id: OrderPath) -> ChecklistView:
    """Return the checks of an order, as far as they are filled in, and what it cannot be closed without."""
    return checklist_view(*service.desk.sheets.papers(order_id))


@router.post("/checklist", response_model=ChecklistView, responses=documented(404, 409, 413))
def fill_in_checklist(
    service: ServiceParameter, order_id: OrderPath, body: FilledChecks, once: OnceParameter
) -> Response:
    """Fill in some checks; the others stay as they are."""
    found = [CheckFound(**dict(check)) for check in body.checks]
    now = service.clock.now()

    def act() -> tuple[BaseModel, int]:
        filled = service.desk.sheets.fill_in(order_id, found, body.by, now, scope=body.scope)
        return checklist_view(*filled), 200

    return once(act)


@router.get("/parts", responses=documented(404))
def parts_of_work_order(service: ServiceParameter, order_id: OrderPath) -> OrderParts:
    """Return the parts that were used."""
    _, papers = service.desk.sheets.papers(order_id)
    return OrderParts(items=[part_view(part) for part in papers.parts], next=None)


@router.post("/parts", status_code=201, response_model=PartView, responses=documented(404, 409, 413))
def use_part(service: ServiceParameter, order_id: OrderPath, body: UsedPart, once: OnceParameter) -> Response:
    """Write down a part that was used."""
    now = service.clock.now()
    return once(lambda: (part_view(service.desk.sheets.use_part(order_id, now=now, **dict(body))), 201))


@router.get("/files", responses=documented(404))
def files_of_work_order(service: ServiceParameter, order_id: OrderPath) -> OrderFiles:
    """Return which photos and documents an order has."""
    _, papers = service.desk.sheets.papers(order_id)
    return OrderFiles(items=[file_view(file) for file in papers.files], next=None)


@router.post(
    "/files",
    status_code=201,
    response_model=FileView,
    responses=documented(404, 409, 413),
    openapi_extra={"requestBody": {"content": _UPLOAD, "required": True}},
)
def attach_file(
    service: ServiceParameter,
    order_id: OrderPath,
    name: Annotated[FileName, Query()],
    by: Annotated[Name, Query()],
    content: Annotated[bytes, Body(media_type="application/octet-stream")],
    once: OnceParameter,
    content_type: Annotated[str, Header(max_length=100)],
) -> Response:
    """Keep a photo (JPEG, PNG) or a PDF with an order: the body is the file itself."""
    media_type = content_type.partition(";")[0].strip().lower()
    now = service.clock.now()

    def act() -> tuple[BaseModel, int]:
        return file_view(service.desk.sheets.attach(order_id, content, by, now, name=name, media_type=media_type)), 201

    return once(act)


@router.get("/files/{file_id}", response_class=Response, responses={**documented(404), 200: _CONTENT})
def file_of_work_order(service: ServiceParameter, order_id: OrderPath, file_id: FilePath) -> Response:
    """Return a file of an order, to be saved: no browser is to show what somebody sent."""
    file, content = service.desk.sheets.file(order_id, file_id)
    disposition = f"attachment; filename*=UTF-8''{quote(saved_name(file), safe='')}"
    return Response(content, media_type=file.media_type, headers={"Content-Disposition": disposition})


@router.get("/signatures", responses=documented(404))
def signatures_of_work_order(service: ServiceParameter, order_id: OrderPath) -> OrderSignatures:
    """Return who signed, and whether the order still holds what was signed."""
    return OrderSignatures(items=signature_views(*service.desk.sheets.papers(order_id)), next=None)


@router.post("/signatures", status_code=201, response_model=SignatureView, responses=documented(404, 409, 413))
def sign_work_order(service: ServiceParameter, order_id: OrderPath, body: Signing, once: OnceParameter) -> Response:
    """Sign for the work as technician or as owner; from then on what was recorded stands."""
    now = service.clock.now()

    def act() -> tuple[BaseModel, int]:
        signature = service.desk.sheets.sign(order_id, body.role, body.name, now, image_file_id=body.image_file_id)
        return signature_view(signature, matches=True), 201

    return once(act)


@router.post("/remarks", response_model=WorkOrderView, responses=documented(404, 409, 413))
def remark_on_work_order(service: ServiceParameter, order_id: OrderPath, body: Remark, once: OnceParameter) -> Response:
    """Write into an order's history; this is how a signed one is corrected."""
    now = service.clock.now()
    return once(lambda: (work_order_view(service.desk.orders.remark(order_id, body.by, now, body.note)), 200))
