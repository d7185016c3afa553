"""The markup of documents: a small dialect of HTML, parsed into a tree that every renderer understands."""

from brickwork.documents.markup.nodes import Element, Node
from brickwork.documents.markup.parse import MarkupError, parse

__all__ = ["Element", "MarkupError", "Node", "parse"]
