"""HTTP face of the reconciler."""

from litestar import Controller, get
from litestar.di import NamedDependency

from app.db.session import Work
from app.domain.audit.reconcile import Reconciliation, reconcile
from app.lib.access import requires


class ReconciliationController(Controller):
    path = "/audit/reconciliation"
    tags = ["Auditoría"]

    @get(operation_id="GetReconciliation", guards=[requires("audit:read")])
    async def get_reconciliation(self, work: NamedDependency[Work]) -> Reconciliation:
        """Comprueba que existencias, cajas, ventas y consecutivos son la suma de sus movimientos."""
        return await reconcile(work)
