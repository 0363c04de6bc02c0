"""How image files are read: what the configuration says of it, the same at training, in the cache, at test and after."""

from dataclasses import dataclass

from .window import parse_window


@dataclass(frozen=True)
class Reading:
    """INPUT.EXIF, DATASET.WINDOW and INPUT.ALLOW_TRUNCATED of a run; the defaults are those of the keys.

    Raises UserError if the window is none.
    """

    exif: bool = True  # turn the image as its EXIF orientation says
    window: str = ""  # centre and width, or a name, for grey DICOM images; "": the window in the file
    allow_truncated: bool = False  # read JPEGs that lack their last bytes; what is missing is grey

    def __post_init__(self) -> None:
        parse_window(self.window)

    @classmethod
    def of(cls, cfg) -> "Reading":
        return cls(cfg.INPUT.EXIF, cfg.DATASET.WINDOW, cfg.INPUT.ALLOW_TRUNCATED)

    def key(self) -> list:
        """What names of cached pixels depend on."""
        return [self.exif, parse_window(self.window), self.allow_truncated]

    def said(self) -> list[str]:
        """What differs from the defaults, in words: ["no EXIF orientation", "window 40 400"]."""
        said = [] if self.exif else ["no EXIF orientation"]
        said += [f"window {self.window}"] if self.window else []
        return said + (["truncated JPEGs allowed"] if self.allow_truncated else [])
