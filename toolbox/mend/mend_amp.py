"""Mixed precision under the names that trainers of the CoOp family import: `torch.cuda.amp.autocast` and `GradScaler`.

torch deprecates the two and warns at every use; here they lead to `torch.amp`. Without a GPU they do nothing, as before.
"""

import torch


class autocast(torch.amp.autocast):
    """Mixed precision on the GPU, as a context or a decorator."""

    def __init__(self, enabled: bool = True, dtype: torch.dtype = torch.float16, cache_enabled: bool = True) -> None:
        enabled = enabled and torch.cuda.is_available()
        super().__init__("cuda", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)


class GradScaler(torch.amp.GradScaler):
    """Scaling of the loss, so that fp16 gradients do not vanish."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        enabled = enabled and torch.cuda.is_available()
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


def mend_amp() -> None:
    """Put both in the place of the deprecated ones."""
    torch.cuda.amp.autocast = autocast
    torch.cuda.amp.GradScaler = GradScaler
