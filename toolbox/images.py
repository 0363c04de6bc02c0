"""Opening an image so that a broken one is named."""

from pathlib import Path

from PIL import Image, UnidentifiedImageError

from toolbox.errors import UserError


def read_image(path: str) -> Image.Image:
    """The image at `path` as RGB, fully decoded, as Dassl reads it; UserError names one that is missing, empty or broken."""
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except FileNotFoundError:
        raise UserError(f"image not found: {path}") from None
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        if Path(path).is_file() and not Path(path).stat().st_size:
            raise UserError(f"image {path} is empty (0 bytes): replace it or take it out of the split") from error
        raise UserError(f"cannot read the image {path} ({error}): replace it or take it out of the split") from error
