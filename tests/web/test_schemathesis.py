"""Every operation of the OpenAPI document, called with made-up requests: no 5xx and no undocumented answer."""

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from brickwork import Platform
from brickwork.testing.auth import bearer
from brickwork.web import create_app

from .conftest import PATIENT, TENANT

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_no_answer_is_a_server_error_or_undocumented(tmp_path):
    platform = Platform(settings={"platform": {"data_dir": tmp_path}}, discover=False)
    platform.migrate()
    with platform.context(tenant="st-marys"):
        platform.entities.types.apply(PATIENT)
        known = str(platform.entities.create("patient", {"family_name": "Okafor"}).id)
    headers = bearer(platform, TENANT)
    schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(platform))
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= 15
    for operation in operations:
        call_often(operation, known, headers)
    platform.close()


def call_often(operation, known: str, headers: dict[str, str]) -> None:
    """Made-up requests, some of which name what exists."""

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
    @given(case=operation.as_strategy(), real=st.booleans())
    def call(case, real):
        case.headers = {**(case.headers or {}), **headers}
        if real and case.path_parameters:
            names = {"type": "patient", "id": known}
            case.path_parameters.update({n: names[n] for n in case.path_parameters if n in names})
        case.call_and_validate(checks=CHECKS)

    call()
