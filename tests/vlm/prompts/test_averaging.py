import torch
from torch import nn

from vlm.prompts.averaging import GaussianAverage, gaussian_weights


def test_weights_follow_the_gaussian_and_sum_to_one():
    weights = gaussian_weights(5, mean=4.0, std=1.0)
    assert abs(weights.sum().item() - 1) < 1e-12
    ratio = (weights[3] / weights[1]).item()  # epoch 4 against epoch 2, two standard deviations below
    assert abs(ratio - torch.tensor(2.0).exp().item()) < 1e-5
    assert torch.isfinite(gaussian_weights(3, mean=1000.0, std=0.1)).all()


def test_average_is_the_weighted_mean_and_survives_a_restart():
    values = [torch.randn(3) for _ in range(4)]
    expected = sum(w * v.double() for w, v in zip(gaussian_weights(4, 2, 1), values, strict=True))
    p = nn.Parameter(torch.zeros(3))
    average = GaussianAverage([("p", p)], 4, 2, 1)
    for i, value in enumerate(values):
        p.data.copy_(value)
        average.add()
        if i == 1:
            state = average.state_dict()
            average = GaussianAverage([("p", p)], 4, 2, 1)
            average.load_state_dict(state)
    average.apply()
    torch.testing.assert_close(p.data, expected.float())
