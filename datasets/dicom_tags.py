"""Tags of a DICOM file that say how its first frame is shown, wherever in the file they stand."""

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pydicom import Dataset

_SHOWN = (
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence", "PresentationLUTShape"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "PixelRepresentation"),
)
_GROUPS = ("PixelValueTransformationSequence", "FrameVOILUTSequence")


_COLOURS = ("Red", "Green", "Blue")
READ = (  # all that is read of a file: others, of which there may be any number, cost no memory
    *_SHOWN,
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "Modality", "NumberOfFrames"),
    *("Rows", "Columns", "SamplesPerPixel", "PlanarConfiguration", "PhotometricInterpretation", "PixelPresentation"),
    *("BitsAllocated", "BitsStored", "HighBit", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
    *(f"{colour}PaletteColorLookupTableDescriptor" for colour in _COLOURS),
    *(f"{colour}PaletteColorLookupTableData" for colour in _COLOURS),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in _COLOURS),
)


def frame_tags(data: "Dataset") -> "Dataset":
    """A data set with the tags of `_SHOWN` that have a value.

    Those of an enhanced multi-frame file stand in its functional groups: the frame's own come before the shared ones, and
    both before the file's.
    """
    from pydicom import Dataset

    sources = [data]
    for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in list(data.get(name) or [])[:1]:
            sources += [item for key in _GROUPS for item in list(group.get(key) or [])[:1]]
    tags = Dataset()
    for source in sources:
        for key in _SHOWN:
            if key in source and source[key].value not in (None, "", b"") and not _without_items(source[key]):
                tags.add(source[key])
    return tags


def numbers(tags: "Dataset", key: str) -> list[float]:
    """The finite numbers of a tag; none if it is absent or any of them is missing."""
    values = np.atleast_1d(tags[key].value).tolist() if key in tags else []
    if any(value in (None, "") for value in values):
        return []
    found = [float(value) for value in values]
    return found if all(map(math.isfinite, found)) else []


def padding(tags: "Dataset", data: "Dataset", levels: np.ndarray) -> np.ndarray:
    """Which stored values `levels` (n,) pad the image: PixelPaddingValue, or all from it to PixelPaddingRangeLimit."""
    if "PixelPaddingValue" not in tags:
        return np.zeros(len(levels), bool)
    bits = data.BitsAllocated
    ends = [int(tags[key].value) for key in ("PixelPaddingValue", "PixelPaddingRangeLimit") if key in tags]
    if data.PixelRepresentation:  # some writers give them unsigned
        ends = [end - (1 << bits) if end >= 1 << (bits - 1) else end for end in ends]
    return (levels >= min(ends)) & (levels <= max(ends))


def table_of(item: "Dataset", data: "Dataset") -> tuple[np.ndarray, int]:
    """Entries (n,) of a modality or VOI table, and the value that the first of them is for (PS3.3, C.11.1.1, C.11.2.1.1)."""
    n, first = item.LUTDescriptor[0] or 1 << 16, item.LUTDescriptor[1]
    entries = item.LUTData
    if isinstance(entries, bytes):  # words, or bytes of 8-bit tables, as they stand in the file
        kind = "u1" if len(entries) <= n + 1 else "<u2" if data.original_encoding[1] else ">u2"
        entries = np.frombuffer(entries, kind, min(n, len(entries) // np.dtype(kind).itemsize))
    return np.atleast_1d(entries)[:n].astype(np.int64), int(first)


def through_table(values: np.ndarray, table: np.ndarray, first: int) -> np.ndarray:
    """The entries for `values`; those before the first and after the last entry take it."""
    return table[np.clip(np.rint(values) - first, 0, len(table) - 1).astype(np.intp)]


def _without_items(element) -> bool:
    return element.VR == "SQ" and not len(element.value)
