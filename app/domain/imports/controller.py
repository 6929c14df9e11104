"""HTTP face of imports."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from app.db.session import Work
from app.domain.imports.schemas import ImportOut, ImportPage
from app.domain.imports.service import ImportService, Upload, hide_costs
from app.domain.imports.tables import CSV_TYPE, XLSX_TYPE, table_csv, template_csv, template_xlsx
from app.lib.access import MOVES_VALUE, requires
from app.lib.errors import Malformed
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT
from app.lib.text import LINE

MODULE: Final = "imports"
_TABLES: Final = ["text/csv", XLSX_TYPE]

DryRunParam = Annotated[bool, QueryParameter(name="dryRun", description="Solo revisa y dice qué pasaría.")]
SkipErrorsParam = Annotated[
    bool, QueryParameter(name="skipErrors", description="Importa las líneas buenas aunque otras tengan errores.")
]
FileNameParam = Annotated[
    str, QueryParameter(name="fileName", max_length=200, pattern=LINE, description="Solo para reconocerlo después.")
]
DecimalParam = Annotated[
    Literal["comma", "point"] | None,
    QueryParameter(name="decimal", description="Cómo escribe el archivo los decimales; aclara números como 34.900."),
]
FormatParam = Annotated[Literal["csv", "xlsx"], QueryParameter(name="format", description="Formato de la plantilla.")]


def provide_imports(work: NamedDependency[Work]) -> ImportService:
    return ImportService(work)


class ImportController(Controller):
    path = "/imports"
    tags = ["Importaciones"]
    dependencies = {"imports": Provide(provide_imports, sync_to_thread=False)}

    @post(
        "/products",
        operation_id="ImportProducts",
        guards=[requires("imports:write", module=MODULE, heavy=True)],
        opt={**MOVES_VALUE, "accepts_file": _TABLES},
        status_code=HTTP_201_CREATED,
    )
    async def import_products(
        self,
        request: Request[Any, Any, Any],
        imports: NamedDependency[ImportService],
        work: NamedDependency[Work],
        dry_run: DryRunParam = False,
        skip_errors: SkipErrorsParam = False,
        file_name: FileNameParam = "",
        decimal: DecimalParam = None,
    ) -> Response[ImportOut]:
        """Importa productos con su existencia inicial desde CSV o XLSX, todo o nada.

        El cuerpo es el archivo: hasta 10 MB y 20.000 líneas. Columnas, en español o inglés: sku, nombre, precio (las
        tres obligatorias), impuesto, código de barras, categoría, costo, existencia, unidad, marca y mínimo.
        """
        upload = Upload(await request.body(), file_name, decimal, dry_run=dry_run, skip_errors=skip_errors)
        answer = hide_costs(await imports.bring_products(upload), work.actor)
        return Response(answer, status_code=HTTP_200_OK if dry_run else HTTP_201_CREATED)

    @get(
        "/products/template",
        operation_id="GetProductTemplate",
        guards=[requires("imports:write", module=MODULE)],
        opt={"answers_file": _TABLES},
    )
    async def get_template(self, format_: FormatParam = "csv") -> Response[bytes]:
        """La plantilla para llenar, con tres ejemplos."""
        content, kind = (template_csv(), CSV_TYPE) if format_ == "csv" else (template_xlsx(), XLSX_TYPE)
        return _file(content, kind, f"productos.{format_}")

    @get(operation_id="ListImports", guards=[requires("imports:write", module=MODULE, writes=False)])
    async def list_imports(
        self,
        imports: NamedDependency[ImportService],
        work: NamedDependency[Work],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> ImportPage:
        """Importaciones y revisiones, de la más nueva a la más vieja."""
        page: ImportPage = hide_costs(await imports.page(limit, cursor), work.actor)
        return page

    @get("/{import_id:uuid}", operation_id="GetImport", guards=[requires("imports:write", module=MODULE, writes=False)])
    async def get_import(
        self, import_id: FromPath[UUID], imports: NamedDependency[ImportService], work: NamedDependency[Work]
    ) -> ImportOut:
        """Una importación con los errores de sus líneas."""
        found: ImportOut = hide_costs(await imports.find(import_id), work.actor)
        return found

    @get(
        "/{import_id:uuid}/errors",
        operation_id="GetImportErrors",
        guards=[requires("imports:write", module=MODULE, writes=False)],
        opt={"answers_file": ["text/csv"]},
    )
    async def get_errors(self, import_id: FromPath[UUID], imports: NamedDependency[ImportService]) -> Response[bytes]:
        """Los errores como CSV, para corregir el archivo al lado."""
        found = await imports.find(import_id)
        rows = [(error.line, error.column, error.code, error.detail) for error in found.errors]
        return _file(table_csv(["línea", "columna", "código", "detalle"], rows), CSV_TYPE, "errores.csv")

    @post(
        "/{import_id:uuid}/undo",
        operation_id="UndoImport",
        guards=[requires("imports:write", module=MODULE)],
        opt=MOVES_VALUE,
        status_code=HTTP_200_OK,
    )
    async def undo_import(
        self,
        request: Request[Any, Any, Any],
        import_id: FromPath[UUID],
        imports: NamedDependency[ImportService],
        work: NamedDependency[Work],
    ) -> ImportOut:
        """Deshace una importación: reversa su existencia inicial y retira sus productos, si nada más les ha pasado."""
        if (await request.body()).strip() not in {b"", b"{}"}:
            raise Malformed("Esta operación no lleva cuerpo.")
        undone: ImportOut = hide_costs(await imports.undo(import_id), work.actor)
        return undone


def _file(content: bytes, kind: str, name: str) -> Response[bytes]:
    return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
