"""Opening an image so that a broken one is named."""

from PIL import Image, UnidentifiedImageError

from toolbox.errors import UserError


def read_image(path: str) -> Image.Image:
    """The image at `path` as RGB, fully decoded; UserError names a file that is missing, truncated or no image."""
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except FileNotFoundError:
        raise UserError(f"image not found: {path}") from None
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise UserError(f"cannot read the image {path} ({error}): replace it or take it out of the split") from error
