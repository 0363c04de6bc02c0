import warnings

import torch


def test_the_old_names_work_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from torch.cuda.amp import GradScaler, autocast

        x = torch.ones(2, 2, requires_grad=True)
        optimizer = torch.optim.SGD([x], lr=1.0)
        scaler = GradScaler()
        with autocast():
            loss = (x @ x).sum()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    assert torch.equal(x, torch.full((2, 2), -3.0))
    assert autocast()(lambda: "a decorator too")() == "a decorator too"
