"""What the operators' routes work with, beside what all routes do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..http import Parts
from .audit import AuditTrail
from .figures import Figures

if TYPE_CHECKING:
    from salon.actors.directory import Directory

    from ..identity import IdentityBook
    from ..settings import Settings
    from ..socket import Wire


class AdminParts(Parts):
    """The parts of a server that has operators: figures over time, and what the operators have done."""

    def __init__(
        self, settings: Settings, directory: Directory, wire: Wire, identities: IdentityBook
    ) -> None:
        super().__init__(settings, directory, wire, identities)
        self.figures = Figures(self)
        self.audit = AuditTrail(directory.sources)
