"""The published document against the application: whatever fits or does not fit it, the answer is what it says."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings

schemathesis = pytest.importorskip("schemathesis")

# Not that what is wrong is refused: rows are judged one by one, inside a 200.
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance",
)  # fmt: skip


@pytest.fixture(scope="module")
def document(small):
    return schemathesis.openapi.from_url(f"{small.url}/openapi.json")


def run(document, small, examples, *, derandomize):
    """Send generated calls to every operation, half of them wrong; give how many were sent."""
    schemathesis.checks.load_all_checks()
    checks = schemathesis.checks.CHECKS.get_by_names(CHECKS)
    sent = []
    bounded = settings(
        max_examples=examples, deadline=None, derandomize=derandomize, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck), database=None,
    )  # fmt: skip
    for result in document.get_all_operations():
        operation = result.ok()
        modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
        for mode in modes:

            @bounded
            @given(case=operation.as_strategy(generation_mode=mode))
            def test(case):
                sent.append(case)
                case.call_and_validate(headers={"Authorization": f"Bearer {small.key}"}, checks=checks)

            test()
    return len(sent)


def test_never_a_fault(document, small):
    assert run(document, small, 8, derandomize=True) > 100


@pytest.mark.slow
def test_never_a_fault_for_long(document, small, record_testsuite_property):
    sent = run(document, small, 400, derandomize=False)
    record_testsuite_property("schemathesis", f"{sent} calls")
