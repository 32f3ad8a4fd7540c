"""Objects of unknown classes beside the weights: records that nothing runs, and never the standard library's."""

import pickle
import sys

import pytest
import torch
from torch import nn

from tlgan.errors import TlganError
from tlgan.generators import load_generator
from tlgan.generators.checkpoint import GlobalName, ObjectRecord, read_checkpoint

EVIL = """
from pathlib import Path
MARK = Path(__file__).with_name("ran")
MARK.touch()

class Evil:
    def __new__(cls, *args, **more):
        MARK.touch()
        return super().__new__(cls)

    def __init__(self, *args):
        MARK.touch()

    def __setstate__(self, state):
        MARK.touch()

    def __setattr__(self, name, value):
        MARK.touch()

    def __reduce__(self):
        return Evil, ("argument",), {"state": 1}

class Meta(type):
    def __call__(cls, *args):
        MARK.touch()

class Worse(metaclass=Meta):
    pass
"""

UNKNOWN = {
    "a call and a state": b"cevil\nEvil\n(S'argument'\ntR}S'state'\nI1\nsb.",
    "a new object": b"\x80\x02cevil\nEvil\n)\x81}U\x05stateK\x01sb.",
    "an instance of protocol 0": b"(S'argument'\nievil\nEvil\n.",
    "an object of a mark": b"(cevil\nWorse\nS'argument'\no.",
    "copyreg": b"ccopy_reg\n_reconstructor\n(cevil\nEvil\nc__builtin__\nobject\nNtR.",
    "a name on the stack": b"\x80\x04\x8c\x04evil\x8c\x04Evil\x93\x8c\x06system\x85R}\x8c\x0a__reduce__\x8c\x01xsb.",
    "items of a dictionary of its own": b"\x80\x02cevil\nEvil\n)\x81(U\x06systemK\x01u.",
    "items of a list of its own": b"\x80\x02cevil\nEvil\n)\x81(K\x01K\x02e.",
    "a state of two parts": b"\x80\x02cevil\nEvil\n)\x81N}U\x07__doc__U\x01xs\x86b.",
}

REFUSED = {
    "os.system": b"cos\nsystem\n(S'touch ran'\ntR.",
    "posix.system": b"cposix\nsystem\n(S'touch ran'\ntR.",
    "builtins.eval": b"cbuiltins\neval\n(S'1'\ntR.",
    "builtins.getattr": b"cbuiltins\ngetattr\n(cevil\nEvil\nS'mro'\ntR.",
    "builtins.Exception": b"cbuiltins\nException\n(S'1'\ntR.",
    "__builtin__.Exception": b"c__builtin__\nException\n(S'1'\ntR.",
    "subprocess.Popen": b"csubprocess\nPopen\n(S'touch ran'\ntR.",
    "multiprocessing.util.Finalize": b"cmultiprocessing.util\nFinalize\n(S'1'\ntR.",
    "ctypes.CDLL": b"cctypes\nCDLL\n(S'libc.so.6'\ntR.",
    "evil.run": b"cevil\nrun\n(S'1'\ntR.",
    "evil.Evil.run": b"\x80\x04\x8c\x04evil\x8c\x08Evil.run\x93)R.",
    "evil..Evil": b"cevil.\nEvil\n)R.",
    "evil.Ev": b"cevil\nEv" + b"i" * 300 + b"l\n)R.",
    "evil.Evil in a row": b"cevil\nEvil\n)R)R.",  # an object that is called
    "the state of a class": b"cevil\nEvil\n}S'x'\nI1\nsb.",
}


def weights():
    torch.manual_seed(0)
    return nn.Sequential(nn.ConvTranspose2d(16, 8, 4, 1, 0), nn.ReLU(), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh())


def together(path, data):
    """A list of numpy's plain numbers and of what `data` stands for, in one pickle."""
    body = data.removeprefix(b"\x80\x02").removeprefix(b"\x80\x04").removesuffix(b".")
    path.write_bytes(b"\x80\x04]\x8c\x06beforea" + body + b"a.")
    return path


@pytest.fixture
def evil(tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text(EVIL)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not (tmp_path / "ran").exists()
    assert "evil" not in sys.modules


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_object_of_an_unknown_class_is_a_record_and_nothing_runs(evil, name):
    before, found = read_checkpoint(together(evil / "g.pkl", UNKNOWN[name])).tree
    assert before == "before"
    assert type(found) is ObjectRecord
    assert type(found.type) is GlobalName
    assert found.type.module == "evil"
    assert isinstance(found.state, dict | tuple | None)


@pytest.mark.parametrize("name", REFUSED)
def test_other_names_are_refused_and_nothing_runs(evil, name):
    file = together(evil / "g.pkl", REFUSED[name])
    with pytest.raises(TlganError) as refused:
        read_checkpoint(file)
    assert len(str(refused.value)) < 400


def test_the_trap_of_these_tests_works(tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text(EVIL)
    monkeypatch.syspath_prepend(tmp_path)
    pickle.loads(UNKNOWN["a call and a state"])
    del sys.modules["evil"]
    assert (tmp_path / "ran").exists()


def test_a_set_of_numbers_that_collide_is_refused(tmp_path):
    numbers = b"".join(b"\x8a\x0f" + (n * (2**61 - 1)).to_bytes(15, "little") for n in range(1, 100_000))
    (tmp_path / "g.pkl").write_bytes(b"\x80\x02cbuiltins\nset\n](" + numbers + b"e\x85R.")
    with pytest.raises(TlganError, match="names or small numbers"):
        read_checkpoint(tmp_path / "g.pkl")


def test_a_long_class_name_does_not_fill_the_message(tmp_path):
    (tmp_path / "g.pkl").write_bytes(b"\x80\x02cevil\nE" + b"v" * 190 + b"\n)\x81.")
    with pytest.raises(TlganError) as refused:
        load_generator(tmp_path / "g.pkl")
    assert len(str(refused.value)) < 600


def test_a_whole_module_is_read_as_its_state_dict(tmp_path):
    module = weights().eval()
    torch.save(module, tmp_path / "whole.pth")
    torch.save({"epoch": 3, "netG": module}, tmp_path / "beside.pth")
    torch.save(module.state_dict(), tmp_path / "state.pth")
    z = torch.randn(2, 16)
    expected = load_generator(tmp_path / "state.pth").synthesize(z)
    assert torch.allclose(expected, module(z[:, :, None, None]), atol=1e-5)
    for name in ("whole.pth", "beside.pth"):
        assert torch.equal(load_generator(tmp_path / name).synthesize(z), expected)
