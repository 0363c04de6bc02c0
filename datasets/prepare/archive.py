"""Unpacking a downloaded zip without trusting it."""

import errno
import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath
from zlib import crc32

from toolbox.errors import UserError

from ..progress import bar

MAX_MEMBERS = 2_000_000
MAX_RATIO = 200  # images hardly compress; a member that grows more than this is a bomb
_SMALL = 16 << 20
_BLOCK = 1 << 20


def unpack(archive: str | Path, folder: str | Path) -> None:
    """Unpack a zip into `folder`.

    Raises UserError, before anything of the member is written, for a path that leaves the folder, a link, a member that
    grows beyond reason, more data than the disk has room for, or another file where one is already; and for a damaged or
    encrypted archive.
    """
    archive, folder = Path(archive), Path(folder)
    try:
        with zipfile.ZipFile(archive) as bundle:
            members = [member for member in bundle.infolist() if not member.is_dir()]
            _check(archive, members, folder)
            for member in bar(members, f"Unpacking {archive.name}"):
                _extract(archive, bundle, member, folder)
    except UserError:
        raise
    except Exception as error:  # damaged archives make zipfile raise many kinds
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES):
            raise
        raise UserError(f"{archive} cannot be unpacked ({error or type(error).__name__}); download it again") from None


def _check(archive: Path, members: list[zipfile.ZipInfo], folder: Path) -> None:
    if len(members) > MAX_MEMBERS:
        raise UserError(f"{archive} has {len(members):,} members, more than {MAX_MEMBERS:,}; unpack it yourself")
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in name.parts[0] or "\0" in member.filename:
            raise UserError(f"{archive}: member {member.filename!r} would leave its folder; nothing was unpacked")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise UserError(f"{archive}: member {member.filename!r} is a link; nothing was unpacked")
        if member.file_size > _SMALL and member.file_size > MAX_RATIO * max(member.compress_size, 1):
            growth = f"{member.compress_size:,} to {member.file_size:,} bytes"
            raise UserError(f"{archive}: member {member.filename!r} grows from {growth}; nothing was unpacked")
    total = sum(member.file_size for member in members)
    packed = archive.stat().st_size
    free = shutil.disk_usage(folder).free
    if total > free or total > max(MAX_RATIO * packed, _SMALL):
        raise UserError(
            f"{archive} ({packed >> 20} MB) unpacks to {total >> 20} MB; {free >> 20} MB are free in {folder}"
        )


def _extract(archive: Path, bundle: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    target = folder / PurePosixPath(member.filename.replace("\\", "/"))
    if target.is_file():
        if target.stat().st_size == member.file_size and crc32(target.read_bytes()) == member.CRC:
            return
        raise UserError(f"{archive}: another file {member.filename!r} was unpacked before; unpack them yourself, apart")
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.file_size
    with bundle.open(member) as source, target.open("wb") as sink:
        while block := source.read(_BLOCK):
            left -= len(block)
            if left < 0:
                raise UserError(f"{archive}: member {member.filename!r} is longer than it says")
            sink.write(block)
