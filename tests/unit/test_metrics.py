"""What counts for which metric, where no load brings it about."""

import pytest

from askonce import Answer, Question
from askonce.contract.counters import tokens
from askonce_worker.answering.ports import Finished
from askonce_worker.telemetry.metrics import Metrics
from askonce_worker.telemetry.model_names import MAX_MODELS


@pytest.fixture
def metrics():
    return Metrics()


def answered(model):
    question = Question("?", model=model, namespace="n", job_id="j")
    return Finished(question, Answer("j", "answered", "exact"), lane="bulk")


def test_a_producer_that_makes_up_models_fills_no_memory(metrics):
    for number in range(MAX_MODELS + 500):
        metrics.published([answered(f"made-up-{number}")])
    families = {family.name: family for family in metrics.registry.collect()}
    models = {sample.labels["gen_ai_request_model"] for sample in families["askonce_questions"].samples}
    assert len(models) == MAX_MODELS + 1
    labels = {"source": "exact", "lane": "bulk", "gen_ai_request_model": "other"}
    assert metrics.registry.get_sample_value("askonce_questions_total", labels) == 500


@pytest.mark.parametrize("count", [10**400, -1, "7", None, 2**31, 1.5, {"a": 1}])
def test_what_is_no_count_of_tokens_counts_nothing(count):
    body = {"usage": {"prompt_tokens": count, "completion_tokens": count, "prompt_tokens_details": count}}
    assert tokens(body) == (0, 0, 0)


def test_a_stage_that_fails_has_taken_its_time_too(metrics):
    with pytest.raises(ValueError, match="spoilt"), metrics.stage("embed", questions=1):
        raise ValueError("spoilt")
    assert metrics.registry.get_sample_value("askonce_stage_duration_seconds_count", {"stage": "embed"}) == 1
