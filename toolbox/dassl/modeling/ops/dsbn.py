"""Batch normalisation with statistics of each domain (Chang et al., CVPR 2019)."""

from torch import Tensor, nn


class _DomainNorm(nn.Module):
    """One layer a domain; `select_bn` says whose is used."""

    kind: type[nn.Module]

    def __init__(self, num_features: int, n_domain: int) -> None:
        super().__init__()
        self.bn = nn.ModuleList(self.kind(num_features) for _ in range(n_domain))
        self.n_domain, self.valid_domain_idxs, self.domain_idx = n_domain, list(range(n_domain)), 0

    def select_bn(self, domain_idx: int = 0) -> None:
        assert domain_idx in self.valid_domain_idxs, f"domain {domain_idx} of {self.n_domain}"
        self.domain_idx = domain_idx

    def forward(self, x: Tensor) -> Tensor:
        return self.bn[self.domain_idx](x)


class DSBN1d(_DomainNorm):
    """Of vectors (batch, num_features)."""

    kind = nn.BatchNorm1d


class DSBN2d(_DomainNorm):
    """Of maps (batch, num_features, h, w)."""

    kind = nn.BatchNorm2d
