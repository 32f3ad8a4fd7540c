"""Asking about the right pictures, and saying no more than is known."""

from __future__ import annotations

import numpy as np

from tlgan.web.label.learner import ClickLearner, auc_with_interval, fit_linear


def world(n: int = 600, e: int = 20, noise: float = 0.3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(n, e)).astype(np.float32)
    return embeddings, embeddings[:, 0] + 0.5 * embeddings[:, 1] + noise * rng.normal(size=n) > 0.4


def click(learner: ClickLearner, truth: np.ndarray, clicks: int) -> None:
    for _ in range(clicks):
        row, probe = learner.next_row()
        learner.answers[row] = bool(truth[row])
        if probe:
            learner.probes.add(row)
        if len(learner.answers) % 8 == 0:
            learner.estimate()  # as the page does; it also chooses the regularisation


def accuracy(learner: ClickLearner, truth: np.ndarray) -> float:
    model = learner.model()
    assert model is not None
    return float(np.mean((model.logit(learner.embeddings) > 0) == truth))


def test_it_learns_and_asks_mostly_about_what_is_unsure() -> None:
    embeddings, truth = world(noise=0.05)
    learner = ClickLearner(embeddings)
    click(learner, truth, 60)
    assert accuracy(learner, truth) > 0.88
    assert 10 <= len(learner.probes) <= 25
    model = learner.model()
    assert model is not None
    doubt = np.abs(model.logit(embeddings))
    asked = [row for row in learner.answers if row not in learner.probes][10:]
    assert np.median(doubt[asked]) < 0.7 * np.median(doubt)


def test_the_estimate_is_honest() -> None:
    """Over many worlds the interval holds the true AUC about as often as it says."""
    from sklearn.metrics import roc_auc_score

    inside, at_random = [], []
    for seed in range(8):
        embeddings, truth = world(noise=0.8, seed=seed)
        learner = ClickLearner(embeddings, seed)
        click(learner, truth, 80)
        model, estimate = learner.model(), learner.estimate()
        assert model is not None
        assert estimate is not None
        rest = np.array([row for row in range(len(truth)) if row not in learner.answers])
        true = roc_auc_score(truth[rest], model.logit(embeddings[rest]))
        inside.append(estimate.low - 0.02 <= true <= estimate.high + 0.02)
        at_random.append(estimate.at_random)
    assert np.mean(inside) > 0.6
    assert all(at_random)


def test_an_answer_about_nothing_is_told_as_such() -> None:
    embeddings, _ = world()
    sure_of_something = []
    for seed in range(5):
        truth = np.random.default_rng(seed).random(len(embeddings)) < 0.5
        learner = ClickLearner(embeddings, seed)
        click(learner, truth, 80)
        estimate = learner.estimate()
        assert estimate is not None
        sure_of_something.append(estimate.low > 0.55)
    assert sum(sure_of_something) <= 1


def test_before_anything_is_known_it_asks_at_random() -> None:
    learner = ClickLearner(np.full((30, 1), np.nan, dtype=np.float32))
    seen = set()
    for _ in range(30):
        row, probe = learner.next_row()
        assert probe
        seen.add(row)
        learner.answers[row] = False
    assert len(seen) == 30
    assert learner.model() is None
    assert learner.estimate() is None
    assert learner.extremes(3) == ([], [])


def test_skipped_pictures_come_back_only_when_all_else_is_asked() -> None:
    learner = ClickLearner(world(n=5)[0])
    for _ in range(3):
        learner.skipped.add(learner.next_row()[0])
    assert learner.next_row()[0] not in learner.skipped
    learner.skipped = {0, 1, 2, 3, 4}
    assert 0 <= learner.next_row()[0] < 5
    assert not learner.skipped


def test_a_rare_answer_is_looked_for_where_nobody_has_looked() -> None:
    embeddings, _ = world(n=200)
    embeddings[17] += 30  # far from everything
    learner = ClickLearner(embeddings)
    learner.answers = dict.fromkeys(range(20, 30), False)
    assert learner.next_row() == (17, False)


def test_a_perfect_score_on_few_pictures_is_not_certain() -> None:
    auc, low, high = auc_with_interval(np.array([True] * 4 + [False] * 4), np.arange(8.0)[::-1])
    assert (auc, high) == (1.0, 1.0)
    assert low < 0.95


def test_constant_columns_do_not_matter() -> None:
    embeddings, truth = world(n=80)
    padded = np.concatenate([embeddings, np.full((80, 3), 7.0)], axis=1)
    model = fit_linear(padded, truth, 0.1)
    np.testing.assert_array_equal(model.weight[-3:], 0)
    np.testing.assert_allclose(model.logit(padded), fit_linear(embeddings, truth, 0.1).logit(embeddings), atol=1e-4)
