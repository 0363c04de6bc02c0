"""A figure that a notebook shows by itself, without pyplot's global state."""

import io

from matplotlib.figure import Figure


class Picture(Figure):
    """A matplotlib figure; `savefig` as usual."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=60)
        return content.getvalue()
