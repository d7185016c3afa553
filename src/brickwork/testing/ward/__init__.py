"""A small hospital ward: a component with tenant tables that suites and examples work on.

Patients have visits and tags, linked by keys that include the tenant. The contract suite of the database port runs on
these tables; a platform has them with `plugins=[brickwork.testing.ward.component]`.
"""

from brickwork.testing.ward.models import Patient, Tag, Visit, patient_tag

__all__ = ["Patient", "Tag", "Visit", "patient_tag"]
