"""Templates: managed, versioned, localised, checked against the data they are filled with, and kept in a sandbox."""

from brickwork.documents.template import Template
from brickwork.documents.templates.service import Rendered, TemplateLimitError, Templates, Version

__all__ = ["Rendered", "Template", "TemplateLimitError", "Templates", "Version"]
