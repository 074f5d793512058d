"""The API attacked by its own specification."""

from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.serve_world import application

MODES = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE


@pytest.fixture(scope="module")
def api():
    with application(clip_seconds=5.0, names=("testserver",)) as app:
        yield schemathesis.openapi.from_asgi("/v1/openapi.json", app)


# what words and what bytes can be answered no schema says: 422 is an answer to them
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
def test_no_answer_is_a_fault_or_other_than_described(api, mode):
    attacked = set()
    for found in api.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def attack(case):
            attacked.add(case.operation.label)
            answer = case.call()
            # a body that is too large is refused before anyone looks at what is wrong with it: 413, which that check
            # does not count as a refusal
            refused = [negative_data_rejection] if answer.status_code == 413 else []
            case.validate_response(answer, excluded_checks=[positive_data_acceptance, *refused])

        with suppress(Unsatisfiable):  # nothing can be asked wrongly of what takes nothing
            attack()
    assert {"GET /v1/search", "POST /v1/search", "POST /v1/classify", "GET /v1/clips", "GET /v1/map"} <= attacked
