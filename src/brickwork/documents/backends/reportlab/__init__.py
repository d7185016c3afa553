"""PDF by reportlab, the default renderer."""

from brickwork.documents.backends.reportlab.renderer import ReportlabRenderer

__all__ = ["ReportlabRenderer"]
