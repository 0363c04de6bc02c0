"""A convolution that adapts to each image (Sun et al., Dynamic Domain Generalization, IJCAI 2022)."""

from torch import Tensor, nn

from .attention import Attention


class Conv2dDynamic(nn.Module):
    """A convolution plus four thin ones, weighted image by image by `Attention` over `attention_x`, or over x itself.

    Args:
        padding: half the kernel, which is odd, so that all five give maps of one size.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        padding: int,
        bias: bool = True,
        squeeze: int | None = None,
        attention_in_channels: int | None = None,
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0 or padding != kernel_size // 2:
            raise ValueError(f"the kernel must be odd and the padding half of it, not {kernel_size} and {padding}")

        def conv(kernel: int | tuple, pad: int | tuple, groups: int = 1) -> nn.Conv2d:
            return nn.Conv2d(in_channels, out_channels, kernel, stride, pad, groups=groups, bias=bias)

        self.conv = conv(kernel_size, padding)
        thin = {
            "conv_nn": conv(kernel_size, padding, groups=min(in_channels, out_channels)),
            "conv_11": conv(1, 0),
            "conv_n1": conv((kernel_size, 1), (padding, 0)),
            "conv_1n": conv((1, kernel_size), (0, padding)),
        }
        self.kernel_templates = nn.ModuleDict(thin)
        self.attention = Attention(attention_in_channels or in_channels, len(thin), squeeze, bias)

    def forward(self, x: Tensor, attention_x: Tensor | None = None) -> Tensor:
        weights = self.attention(x if attention_x is None else attention_x)
        out = self.conv(x)
        for template, weight in zip(self.kernel_templates.values(), weights.t(), strict=True):
            out = out + template(x) * weight[:, None, None, None]
        return out
