"""TorchScript archives are read as torch reads them, and nothing in them is run."""

import pickle
import zipfile

import pytest
import torch
from torch import nn

from toolbox.errors import UserError
from toolbox.mend.torchscript import is_torchscript, read_torchscript


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.register_buffer("turned", torch.arange(6).reshape(2, 3).t())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x)


class Outer(nn.Module):
    """Whatever an archive may hold besides weights: numbers, lists, dictionaries, devices, shared weights."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.layers = Inner(), nn.ModuleList([Inner(), Inner()])
        self.scale = nn.Parameter(torch.randn(()).half())
        self.register_buffer("input_resolution", torch.tensor(224))
        self.shared = self.inner.linear.weight
        self.number, self.sizes, self.table, self.pair = 3, [1, 2, 3], {"a": 1.5}, (1, "x")
        self.where = torch.device("cpu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) * self.scale * self.number + len(self.sizes) + self.table["a"] + self.pair[0]


@pytest.fixture(params=["script", "trace", "half"])
def archive(request, tmp_path):
    model = Outer()
    program = torch.jit.trace(model, torch.ones(2, 3)) if request.param == "trace" else torch.jit.script(model)
    if request.param == "half":
        program = program.half()
    path = tmp_path / "model.pt"
    program.save(str(path))
    return path


def test_reads_what_torch_reads(archive):
    ours, theirs = read_torchscript(archive), torch.jit.load(archive).state_dict()
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        assert ours[key].dtype == value.dtype
        assert torch.equal(ours[key], value), key


def test_knows_archives_from_other_files(archive, tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "plain.pt")
    (tmp_path / "text.pt").write_text("no archive")
    assert is_torchscript(archive)
    assert not is_torchscript(tmp_path / "plain.pt") and not is_torchscript(tmp_path / "text.pt")


def rewritten(archive, tmp_path, data: bytes, compression: int = zipfile.ZIP_STORED):
    """A copy of an archive with other contents in data.pkl."""
    path = tmp_path / "other.pt"
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(path, "w") as new:
        for member in old.infolist():
            body = data if member.filename.endswith("/data.pkl") else old.read(member)
            new.writestr(member.filename, body, compress_type=compression)
    return path


class Command:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("module", ["os.system", "builtins.eval", "torch.hub.load", "torch._utils._rebuild_parameter"])
def test_runs_nothing(archive, tmp_path, module):
    trace = tmp_path / "trace"
    name, _, attribute = module.rpartition(".")
    code = f"c{name}\n{attribute}\n(Vtouch {trace}\ntR.".encode()
    with pytest.raises(UserError, match=f"it asks for {module}"):
        read_torchscript(rewritten(archive, tmp_path, code))
    evil = pickle.dumps({"state_dict": Command(trace.write_text, "run")}, protocol=2)
    with pytest.raises(UserError, match="it asks for"):
        read_torchscript(rewritten(archive, tmp_path, evil))
    assert not trace.exists()


def test_the_program_is_not_even_read(tmp_path):
    path = tmp_path / "model.pt"
    torch.jit.script(Outer()).save(str(path))
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, body in members.items():
            file.writestr(name, b"this is no program" if "/code/" in name and name.endswith(".py") else body)
    with pytest.raises(RuntimeError):
        torch.jit.load(path)
    assert len(read_torchscript(path)) == 12


def test_the_reader_itself_cannot_be_changed(archive, tmp_path):
    """BUILD on a function would set its attributes, for this and later archives."""
    for target in ("ctorch._utils\n_rebuild_tensor_v2\n", "c__torch__\nOuter\n"):
        code = target.encode() + b"N(Vcall\nctorch\ndevice\nd\x86b."  # BUILD with (None, {"call": torch.device})
        with pytest.raises(UserError, match="cannot be read"):
            read_torchscript(rewritten(archive, tmp_path, code))
    assert read_torchscript(archive)


def test_tensors_may_not_reach_beyond_their_storage(archive, tmp_path):
    with zipfile.ZipFile(archive) as file:
        data = file.read(next(n for n in file.namelist() if n.endswith("/data.pkl")))
    # (4, 3) becomes (200, 3): BININT1 4, BININT1 3, TUPLE with memo or mark.
    assert b"K\x04K\x03" in data
    with pytest.raises(UserError, match="cannot be read"):
        read_torchscript(rewritten(archive, tmp_path, data.replace(b"K\x04K\x03", b"K\xc8K\x03", 1)))


def test_compressed_storages_are_refused(archive, tmp_path):
    with zipfile.ZipFile(archive) as file:
        data = file.read(next(n for n in file.namelist() if n.endswith("/data.pkl")))
    with pytest.raises(UserError, match="is compressed"):
        read_torchscript(rewritten(archive, tmp_path, data, zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_truncated(archive, keep):
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(UserError, match="cannot be read as a TorchScript archive"):
        read_torchscript(archive)
