"""Drawing one field of a smear: a cell in the middle, its neighbours, the stain, the microscope's blur and noise."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from datasets.phantom.outline import outline

SUPERSAMPLE = 2
COLOURS = {  # a Wright-Giemsa stain, 8-bit RGB
    "red": (203, 116, 112),
    "pale pink": (232, 200, 206),
    "light blue": (160, 186, 230),
    "grey": (186, 187, 203),
    "violet": (176, 140, 196),
    "purple": (98, 56, 136),
    "orange": (226, 104, 58),
    "dark blue": (52, 38, 104),
    "background": (240, 233, 228),
}


@dataclass(frozen=True)
class Cell:
    """What is drawn in the middle. Lengths are in half widths of the image (`size`) or in cell radii (the rest)."""

    size: float
    body: str
    depth: float = 1.0
    elongation: float = 1.0
    bend: float = 0.0
    point: float = 0.0
    tail: float = 0.0
    spikes: int = 0
    spike_length: float = 0.0
    spike_jitter: float = 0.0
    cuts: int = 0
    centre: str = "even"
    centre_size: float = 0.5
    centre_depth: float = 0.8
    nucleus: str = "none"
    nucleus_size: float = 0.6
    granules: str = "none"
    granule_colour: str = "pale pink"
    granule_count: int = 0


NEIGHBOUR = Cell(size=0.46, body="red", centre="pale", centre_depth=0.6)


class Field:
    """A square canvas of the smear, `side` pixels wide once finished, on which cells are drawn."""

    def __init__(self, side: int, rng: np.random.Generator) -> None:
        self.side, self.rng = side, rng
        self.width = side * SUPERSAMPLE
        self.half = self.width / 2
        self.image = Image.new("RGB", (self.width, self.width), COLOURS["background"])

    def add(self, cell: Cell, x: float = 0.0, y: float = 0.0) -> None:
        """Draw `cell` with its middle at (x, y) in half widths from the image's centre, turned at random."""
        rng, unit = self.rng, cell.size * self.half
        polygon = outline(
            rng,
            cell.elongation,
            cell.bend,
            cell.point,
            cell.tail,
            cell.spikes,
            cell.spike_length,
            cell.spike_jitter,
            cell.cuts,
        )
        turn = _rotation(rng.uniform(0, 2 * np.pi))
        origin = np.array([self.half * (1 + x), self.half * (1 + y)])

        def place(points: np.ndarray) -> np.ndarray:
            return points @ turn.T * unit + origin

        mask = self._mask(place(polygon))
        self._stain(mask, cell.body, 0.92 * cell.depth)
        self._rim(place(polygon), cell)
        self._centre(place, polygon, cell)
        if cell.nucleus != "none":
            self._nucleus(place, cell)
        if cell.granules != "none":
            self._granules(place, polygon, cell)

    def _mask(self, points: np.ndarray, blur: float = 0.0) -> Image.Image:
        mask = Image.new("L", (self.width, self.width))
        ImageDraw.Draw(mask).polygon([tuple(p) for p in points.tolist()], fill=255)
        return mask.filter(ImageFilter.BoxBlur(blur)) if blur else mask

    def _stain(self, mask: Image.Image, colour: str, opacity: float) -> None:
        jitter = self.rng.normal(0, 5, 3)
        rgb = tuple(int(np.clip(c + j, 0, 255)) for c, j in zip(COLOURS[colour], jitter, strict=True))
        self.image.paste(rgb, mask=mask.point((np.arange(256) * min(opacity, 1.0)).astype(int).tolist()))

    def _rim(self, points: np.ndarray, cell: Cell) -> None:
        """A cell's edge stains a little darker than its body."""
        rim = Image.new("L", (self.width, self.width))
        corners = [tuple(p) for p in points.tolist()]
        ImageDraw.Draw(rim).line([*corners, corners[0]], fill=255, width=SUPERSAMPLE)
        self._stain(rim, "purple", 0.14 if cell.body == "red" else 0.28)

    def _centre(self, place, polygon: np.ndarray, cell: Cell) -> None:
        """The thin middle of a red cell lets light through: a pale disc, a slit, or a ring around a stained spot."""
        if cell.centre == "even":
            return
        blur = SUPERSAMPLE * (0.8 + 0.05 * cell.size * self.side)
        middle = polygon.mean(axis=0)
        inner = (polygon - middle) * cell.centre_size + middle
        if cell.centre == "slit":
            inner = (inner - middle) * np.array([1.5, 0.4]) + middle
        self._stain(self._mask(place(inner), blur), "background", cell.centre_depth)
        if cell.centre == "spot":
            dot = (polygon - middle) * cell.centre_size * 0.42 + middle
            self._stain(self._mask(place(dot), 0.5 * blur), cell.body, 1.0)

    def _nucleus(self, place, cell: Cell) -> None:
        rng, mask = self.rng, Image.new("L", (self.width, self.width))
        draw = ImageDraw.Draw(mask)
        for points in nucleus_parts(rng, cell.nucleus, cell.nucleus_size):
            draw.polygon([tuple(p) for p in place(points).tolist()], fill=255)
        self._stain(mask.filter(ImageFilter.BoxBlur(1)), "purple", rng.uniform(0.8, 0.97))
        for _ in range(4):  # clumps of chromatin
            spot = rng.uniform(-0.5, 0.5, 2) * cell.nucleus_size + 0.12 * rng.uniform(0.5, 1.4) * _circle(12)
            clump = self._mask(place(spot))
            clump = ImageChops.multiply(clump, mask)
            self._stain(clump, "dark blue", 0.35)

    def _granules(self, place, polygon: np.ndarray, cell: Cell) -> None:
        """Grains strewn over the body, those of the `coarse` kind large enough to hide what lies below."""
        rng, mask = self.rng, Image.new("L", (self.width, self.width))
        draw = ImageDraw.Draw(mask)
        grain = (0.75 if cell.granules == "coarse" else 0.45) * SUPERSAMPLE
        edge = polygon[rng.integers(0, len(polygon), cell.granule_count)]
        for x, y in place(edge * np.sqrt(rng.uniform(0, 0.85, (cell.granule_count, 1)))).tolist():
            r = grain * rng.uniform(0.7, 1.4)
            draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
        self._stain(mask, cell.granule_colour, 0.9 if cell.granules == "coarse" else 0.6)

    def finish(self, blur: float, noise: float, stain: np.ndarray, light: np.ndarray) -> np.ndarray:
        """The finished picture (side, side, 3) uint8.

        `blur` is the focus error in pixels, `noise` the sensor's standard deviation in grey levels, `stain` (3,) the power
        on each channel's transmitted light, `light` (3,) the lamp's level and its slope in x and y.
        """
        small = self.image.reduce(SUPERSAMPLE).filter(ImageFilter.GaussianBlur(blur))
        grid = np.linspace(-1, 1, self.side)
        lamp = light[0] + light[1] * grid[None, :] + light[2] * grid[:, None]
        picture = 255 * (np.asarray(small) / 255.0) ** stain * lamp[..., None]
        picture += self.rng.normal(0, noise, picture.shape)
        return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def nucleus_parts(rng: np.random.Generator, kind: str, size: float) -> list[np.ndarray]:
    """Polygons (points, 2), in cell radii, of a nucleus: `round`, `bent` (a bean), `two` or `many` lobes."""
    shift = rng.uniform(-0.1, 0.1, 2)
    if kind == "round":
        return [outline(rng, rng.uniform(1, 1.15), wobble=0.05) * size + shift]
    if kind == "bent":
        return [outline(rng, rng.uniform(1.7, 2.2), bend=rng.uniform(1.2, 1.8), wobble=0.05) * size + shift]
    lobes = 2 if kind == "two" else int(rng.integers(3, 6))
    arc = rng.uniform(0, 2 * np.pi) + np.linspace(0, np.pi if lobes == 2 else 1.35 * np.pi, lobes)
    centres = 0.62 * size * np.stack([np.cos(arc), np.sin(arc)], axis=1) + shift
    lobe = size * (0.52 if lobes == 2 else 0.40)
    parts = [outline(rng, rng.uniform(1, 1.3), wobble=0.06) * lobe * rng.uniform(0.85, 1.15) + c for c in centres]
    return parts + [_bridge(a, b) for a, b in pairwise(centres)]


def picture(cell: Cell, rng: np.random.Generator, side: int = 64) -> np.ndarray:
    """Draw `cell` among 0-4 red neighbours under a random stain and microscope: (side, side, 3) uint8."""
    field = Field(side, rng)
    start = rng.uniform(0, 2 * np.pi)
    for i in range(int(rng.integers(0, 5))):
        angle, far = start + 1.4 * i + rng.uniform(-0.3, 0.3), cell.size + rng.uniform(0.4, 0.75)
        field.add(NEIGHBOUR, far * np.cos(angle), far * np.sin(angle))
    field.add(cell, *rng.uniform(-0.12, 0.12, 2))
    return field.finish(
        blur=rng.uniform(0.2, 1.3),
        noise=rng.uniform(3, 14),
        stain=rng.uniform(0.75, 1.35) * rng.uniform(0.88, 1.14, 3),
        light=np.array([rng.uniform(0.82, 1.06), *rng.uniform(-0.08, 0.08, 2)]),
    )


def _rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _circle(points: int) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _bridge(a: np.ndarray, b: np.ndarray, width: float = 0.05) -> np.ndarray:
    """The thin strand between two lobes, as a rectangle (4, 2)."""
    across = np.array([a[1] - b[1], b[0] - a[0]])
    across = width * across / (np.linalg.norm(across) + 1e-9)
    return np.stack([a + across, b + across, b - across, a - across])
