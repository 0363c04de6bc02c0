import pytest
import torch
from sklearn.metrics import f1_score

from dassl.evaluation import build_evaluator
from dassl.metrics import compute_accuracy, compute_distance_matrix

TRUE = [0, 0, 0, 1, 2, 2]
PREDICTED = [0, 0, 1, 1, 0, 2]


@pytest.fixture
def evaluator(make_cfg, tmp_path):
    cfg = make_cfg("TEST.PER_CLASS_RESULT", True, "TEST.COMPUTE_CMAT", True, "OUTPUT_DIR", str(tmp_path))
    evaluator = build_evaluator(cfg, lab2cname={0: "ring", 1: "band", 2: "blast"})
    evaluator.reset()
    for part in (slice(0, 4), slice(4, 6)):
        logits = torch.nn.functional.one_hot(torch.tensor(PREDICTED[part]), 4).float()
        evaluator.process(logits, torch.tensor(TRUE[part]))
    return evaluator


def test_results(evaluator):
    results = evaluator.evaluate()
    assert next(iter(results)) == "accuracy"
    assert results["accuracy"] == pytest.approx(100 * 4 / 6)
    assert results["error_rate"] == pytest.approx(100 * 2 / 6)
    assert results["macro_f1"] == pytest.approx(100 * f1_score(TRUE, PREDICTED, average="macro"))
    assert results["perclass_accuracy"] == pytest.approx((200 / 3 + 100 + 50) / 3)


def test_the_result_block(evaluator, capsys, tmp_path):
    evaluator.evaluate()
    assert capsys.readouterr().out.replace(str(tmp_path), "OUT") == (
        "=> result\n* total: 6\n* correct: 4\n* accuracy: 66.7%\n* error: 33.3%\n* macro_f1: 66.7%\n"
        "=> per-class result\n"
        "* class: 0 (ring)\ttotal: 3\tcorrect: 2\tacc: 66.7%\n"
        "* class: 1 (band)\ttotal: 1\tcorrect: 1\tacc: 100.0%\n"
        "* class: 2 (blast)\ttotal: 2\tcorrect: 1\tacc: 50.0%\n"
        "* average: 72.2%\n"
        "Confusion matrix is saved to OUT/cmat.pt\n"
    )


def test_the_confusion_matrix_is_plain_data(evaluator, tmp_path):
    evaluator.evaluate()
    matrix = torch.load(tmp_path / "cmat.pt", weights_only=True)
    assert torch.allclose(matrix.sum(1), torch.ones(3, dtype=matrix.dtype))
    assert matrix[0].tolist() == pytest.approx([2 / 3, 1 / 3, 0])


def test_reset_forgets(evaluator):
    evaluator.reset()
    evaluator.process(torch.eye(2), torch.tensor([0, 1]))
    assert evaluator.evaluate()["accuracy"] == 100


def test_top_k_accuracy():
    logits = torch.tensor([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
    first, second = compute_accuracy(logits, torch.tensor([1, 2]), topk=(1, 2))
    assert (first.item(), second.item()) == (50, 100)
    assert compute_accuracy([logits, None], torch.tensor([0, 2]))[0].item() == 100


def test_distances():
    a, b = torch.randn(4, 3, dtype=torch.double), torch.randn(5, 3, dtype=torch.double)
    assert torch.allclose(compute_distance_matrix(a, b), torch.cdist(a, b) ** 2)
    cosine = torch.nn.functional.cosine_similarity(a[:, None], b[None], dim=-1)
    assert torch.allclose(compute_distance_matrix(a, b, metric="cosine"), 1 - cosine)
