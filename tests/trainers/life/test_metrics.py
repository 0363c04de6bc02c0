"""Metrics against values worked out by hand."""

import json

import numpy as np
import pytest

from trainers.life.metrics import calibration_error, evaluate

NAMES = ["a", "b", "c"]


def logits_for(predicted, sure: float = 5.0) -> np.ndarray:
    return sure * np.eye(3, dtype=np.float32)[list(predicted)]


def test_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    found = evaluate(logits_for([0, 0, 0, 1, 1, 0, 2, 2]), labels, NAMES)
    assert found["confusion"] == [[3, 1, 0], [1, 1, 0], [0, 0, 2]]
    assert found["accuracy"] == pytest.approx(75)
    assert found["per_class"] == pytest.approx({"a": 75, "b": 50, "c": 100})
    assert found["balanced_accuracy"] == pytest.approx(75)
    assert found["macro_f1"] == pytest.approx(100 * (0.75 + 0.5 + 1) / 3)
    expected = (4 * 4 + 2 * 2 + 2 * 2) / 64
    assert found["kappa"] == pytest.approx(100 * (0.75 - expected) / (1 - expected))


def test_right_and_wrong_throughout():
    labels = np.array([0, 1, 2, 0, 1, 2])
    right, wrong = evaluate(logits_for(labels), labels, NAMES), evaluate(logits_for((labels + 1) % 3), labels, NAMES)
    assert right["accuracy"] == right["auc"] == right["kappa"] == right["macro_f1"] == pytest.approx(100)
    assert wrong["accuracy"] == wrong["macro_f1"] == 0 and wrong["kappa"] < 0 and wrong["auc"] < 50


def test_a_class_without_images_is_left_out():
    found = evaluate(logits_for([0, 1, 1]), np.array([0, 1, 1]), NAMES)
    assert set(found["per_class"]) == {"a", "b"} and found["balanced_accuracy"] == pytest.approx(100)


def test_what_means_nothing_for_one_class_is_none_with_the_reason():
    found = evaluate(logits_for([0, 0]), np.array([0, 0]), NAMES)
    assert found["auc"] is None and found["kappa"] is None and found["accuracy"] == 100
    assert found["undefined"] == dict.fromkeys(("auc", "kappa"), "all 2 test images are of one class (a)")
    json.dumps(found, allow_nan=False)


def test_calibration():
    certain = np.array([[1.0, 0.0]] * 10)
    assert calibration_error(certain, np.zeros(10, int)) == 0
    assert calibration_error(certain, np.array([0] * 7 + [1] * 3)) == pytest.approx(0.3)
    half_sure = np.array([[0.7, 0.3]] * 10)
    assert calibration_error(half_sure, np.array([0] * 7 + [1] * 3)) == pytest.approx(0.0, abs=1e-9)


def test_logits_of_any_size_give_probabilities():
    found = evaluate(1e4 * logits_for([0, 1, 2]), np.array([0, 1, 2]), NAMES)
    assert found["ece"] == pytest.approx(0) and found["accuracy"] == 100
