"""Files survive: kills, full disks, links, devices, other systems' rules, and damage of every kind."""

import json
import os
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mini_ddpm import files, runs
from mini_ddpm.files import CheckpointError, check_target, read_tensors, write_json, write_tensors, write_whole
from mini_ddpm.runs.presets import preset

CPU = torch.device("cpu")
posix = pytest.mark.skipif(os.name == "nt", reason="a rule of POSIX")


def half(file):
    file.write(b"half")
    raise OSError("device full")


# --- writing --------------------------------------------------------------------------------------------


def test_files_are_whole_or_absent(tmp_path):
    with pytest.raises(OSError, match=r"could not write .*x.json \(device full\): make room or allow it"):
        write_whole(tmp_path / "x.json", half)
    assert list(tmp_path.iterdir()) == []
    write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(OSError, match="device full"):
        write_whole(tmp_path / "x.json", half)
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == {"a": 1}


@posix
def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from mini_ddpm.files import write_whole\n"
        "write_whole(Path(sys.argv[1]) / 'x.json', lambda file: os.kill(os.getpid(), 9))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)])
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".")
    others = [f".{os.getpid()}-01234567.mini-ddpm", ".12345-x.json", ".123-01234567.mini-ddpm.png", ".x-1.mini-ddpm"]
    for name in others:  # of a process that lives, and strangers'
        (tmp_path / name).touch()
    write_json(tmp_path / "y.json", {})
    assert {path.name for path in tmp_path.iterdir()} == {"y.json", *others}


@posix
def test_a_link_stays_and_what_it_names_is_replaced(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "x.json").write_text("old", encoding="utf-8")
    (tmp_path / "near.json").symlink_to(tmp_path / "far" / "x.json")
    (tmp_path / "dangling.json").symlink_to(tmp_path / "far" / "new.json")
    for name in ("near.json", "dangling.json"):
        write_json(tmp_path / name, {})
        assert (tmp_path / name).is_symlink()
    assert (tmp_path / "far" / "x.json").read_text(encoding="utf-8") == "{}\n"
    assert (tmp_path / "far" / "new.json").read_text(encoding="utf-8") == "{}\n"
    (tmp_path / "a.json").symlink_to(tmp_path / "b.json")
    (tmp_path / "b.json").symlink_to(tmp_path / "a.json")
    with pytest.raises(OSError, match="it is not a file"):
        write_json(tmp_path / "a.json", {})
    assert (tmp_path / "a.json").is_symlink()
    with pytest.raises(OSError, match=r"could not write .*x.json \(.*gone is gone\)"):
        write_json(tmp_path / "gone" / "x.json", {})


@posix
def test_devices_are_written_through_and_pipes_and_folders_refused(tmp_path):
    (tmp_path / "null").symlink_to("/dev/null")
    for path in (tmp_path / "null", Path("/dev/null")):
        write_tensors(path, {"x": torch.ones(2)}, {})
        check_target(path)
        assert stat.S_ISCHR(path.stat().st_mode)
    assert (tmp_path / "null").is_symlink()
    with pytest.raises(OSError, match="could not write /dev/full"):
        write_json(Path("/dev/full"), {})
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="it is not a file"):
            write_json(path, {})
        with pytest.raises(ValueError, match="is not a file: choose another name"):
            check_target(path)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@posix
@pytest.mark.parametrize("target", ["pipe", "file"])
def test_standard_output_is_written_through(tmp_path, target):
    code = "from pathlib import Path; from mini_ddpm.files import write_json; print('before', flush=True); "
    code += "write_json(Path('/dev/stdout'), {}); print('after')"
    with (tmp_path / "out").open("w+", encoding="utf-8") as out:
        run = subprocess.run(
            [sys.executable, "-c", code], stdout=out if target == "file" else subprocess.PIPE, text=True
        )
        out.seek(0)
        assert (out.read() if target == "file" else run.stdout).splitlines() == ["before", "{}", "after"]


@posix
def test_the_users_mask_and_a_files_own_mode_are_kept(tmp_path):
    before = os.umask(0o027)
    try:
        write_tensors(tmp_path / "x.safetensors", {"x": torch.ones(2)}, {})
        assert stat.S_IMODE((tmp_path / "x.safetensors").stat().st_mode) == 0o640
        (tmp_path / "x.safetensors").chmod(0o600)
        write_tensors(tmp_path / "x.safetensors", {"x": torch.ones(2)}, {})
        assert stat.S_IMODE((tmp_path / "x.safetensors").stat().st_mode) == 0o600
    finally:
        os.umask(before)


@pytest.mark.parametrize("name", ["a[1].json", "**.json", "?.json", "ünïcode.json", "-x.json", "x" * 200 + ".json"])
def test_names_are_names(tmp_path, name):
    if os.name == "nt" and set("*?") & set(name):
        pytest.skip("no name on Windows")
    check_target(tmp_path / name, (".json",))
    write_json(tmp_path / name, {})
    assert [path.name for path in tmp_path.iterdir()] == [name]
    shards = files.write_shards(tmp_path / name, {f"{k}": torch.ones(1000) for k in range(3)}, {}, limit=505_000)
    assert len(shards) == 3
    assert len(read_tensors(tmp_path / name)[0]) == 3
    assert not (tmp_path / name).exists()  # the shards take its place


@pytest.mark.skipif(sys.platform != "linux", reason="names of bytes")
def test_a_name_that_is_not_utf_8_works(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    run = runs.start(preset("tiny"), folder, CPU)
    assert runs.fit(run, until=1)
    assert runs.resume(folder, CPU).state.step == 1
    command = [sys.executable, "-m", "mini_ddpm", "sample", folder, "--n", "1", "--steps", "1", "--device", "cpu"]
    shown = subprocess.run([*command, "--out", folder / "x.png"], capture_output=True, text=True, check=True)
    assert shown.stdout == f"wrote {tmp_path}/\\udcff\\udcfe/x.png\n"


def test_training_replaces_no_file_that_it_did_not_make(tmp_path):
    for name in files.RUN_FILES[1:]:
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("mine", encoding="utf-8")
        with pytest.raises(ValueError, match=rf"holds a {name} that training would replace: choose another folder"):
            runs.start(preset("tiny"), folder, CPU)
        assert [path.name for path in folder.iterdir()] == [name]


def test_a_runs_own_files_and_wrong_endings_are_refused_before_the_work(tmp_path):
    run = tmp_path / "run"
    runs.start(preset("tiny"), run, CPU)
    for name in files.RUN_FILES:
        with pytest.raises(ValueError, match="belongs to the run in"):
            check_target(run / name)
    check_target(run / "more.png", (".png",))
    for name in ("x.npz", "x", ".png", ""):
        with pytest.raises(ValueError, match=r"must end in .png|is not a file"):
            check_target(tmp_path / name, (".png",))
    (tmp_path / "link.json").symlink_to(run / "config.json")
    with pytest.raises(ValueError, match="belongs to the run"):
        check_target(tmp_path / "link.json", (".json",))
    with pytest.raises(OSError, match=r"config\.json"):
        check_target(run / "config.json" / "x.json")


# --- rules of Windows ----------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="emulates Windows, with what Linux shows of a process")
def test_a_run_is_saved_and_resumed_under_the_rules_of_windows(tmp_path, monkeypatch):
    """There, fsync refuses handles that only read, and a file that is mapped or open can't be replaced."""
    import fcntl

    fsync, replace = os.fsync, os.replace

    def picky_fsync(handle):
        assert fcntl.fcntl(handle, fcntl.F_GETFL) & (os.O_WRONLY | os.O_RDWR), "fsync of a handle that only reads"
        fsync(handle)

    def picky_replace(source, target, **how):
        used = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines() + [
            os.path.realpath(p) for p in Path("/proc/self/fd").iterdir()
        ]
        for path in map(str, (source, target)):
            assert not any(line.endswith(path) for line in used), f"{path} is in use"
        replace(source, target, **how)

    monkeypatch.setattr(os, "fsync", picky_fsync)
    monkeypatch.setattr(os, "replace", picky_replace)
    monkeypatch.setattr(Path, "replace", lambda self, target: picky_replace(self, target))
    run = runs.start(preset("tiny"), tmp_path / "run", CPU)
    assert runs.fit(run, until=10)
    resumed = runs.resume(tmp_path / "run", CPU)
    assert runs.fit(resumed, until=20)
    trained = runs.open_run(str(tmp_path / "run"), CPU)
    assert runs.fit(resumed)
    runs.export(str(tmp_path / "run"), tmp_path / "mine.safetensors")
    mine = runs.open_run(str(tmp_path / "mine.safetensors"), CPU)  # an exported file is a run, too
    runs.export(str(tmp_path / "run"), tmp_path / "mine.safetensors")
    assert mine.config == trained.config


# --- reading --------------------------------------------------------------------------------------------


def table(header, data=b""):
    """A safetensors file with this table."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


F32 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
BROKEN = {
    "empty": b"",
    "short": b"\x08",
    "garbage": b"not a checkpoint, whatever it may be",
    "a table longer than the file": struct.pack("<Q", 1 << 40),
    "a huge table": struct.pack("<Q", 11 << 20) + bytes(11 << 20),
    "a list for a table": table([1, 2]),
    "no text": table(b"\xff\xfe{}"),
    "offsets beyond the end": table({"x": {**F32, "data_offsets": [0, 400]}}, bytes(4)),
    "an unknown kind of number": table({"x": {**F32, "dtype": "F31"}}, bytes(4)),
    "a shape that does not fit": table({"x": {**F32, "shape": [3]}}, bytes(4)),
    "metadata that is no JSON": table({"__metadata__": {"config": "{"}, "x": F32}, bytes(4)),
    "metadata nested without end": table({"__metadata__": {"config": "[" * 100_000}, "x": F32}, bytes(4)),
    "metadata of numbers": table({"__metadata__": {"config": 3}, "x": F32}, bytes(4)),
    "another checksum": table({"__metadata__": {"checksum": '"0123"'}, "x": F32}, bytes(4)),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_named(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"x.safetensors is damaged or not a safetensors file \(.+\): use"
    ) as caught:
        read_tensors(path)
    assert len(str(caught.value).splitlines()) == 1


def test_a_flipped_bit_anywhere_is_noticed(tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"weight": torch.arange(6.0).reshape(2, 3), "count": torch.tensor(3)}, {"step": 10})
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        try:
            tensors, card = read_tensors(path)
        except CheckpointError:
            continue
        assert torch.equal(tensors["weight"], torch.arange(6.0).reshape(2, 3)), place  # white space of the table
        assert (int(tensors["count"]), card["step"]) == (3, 10), place


@posix
def test_what_can_not_be_read_is_not_said_to_be_missing(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    for name, message in ((".", "is not a file"), ("pipe", "is not a file"), ("x", "does not exist")):
        with pytest.raises(CheckpointError, match=message):
            read_tensors(tmp_path / name)

    def refused(self):
        raise PermissionError(13, "Permission denied")

    write_tensors(tmp_path / "x", {"x": torch.ones(1)}, {})
    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(CheckpointError, match=r"x can't be read: Permission denied"):
        read_tensors(tmp_path / "x")


def test_a_file_too_large_for_any_network_is_refused_unread(tmp_path):
    with (tmp_path / "bomb").open("wb") as file:
        file.truncate(9 << 30)  # a hole: it takes no room
    with pytest.raises(CheckpointError, match="larger than 8,589,934,592 bytes"):
        read_tensors(tmp_path / "bomb")


def test_a_file_that_shrinks_later_does_not_kill_its_reader(tmp_path):
    """Nothing stays mapped: a tensor of a mapped file that another program cuts off would end the process."""
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"x": torch.ones(1_000_000)}, {})
    tensors, _ = read_tensors(path)
    path.write_bytes(b"")
    assert float(tensors["x"].sum()) == 1_000_000


@pytest.mark.parametrize("path", sorted(files.shipped("").rglob("*.safetensors")), ids=lambda path: path.stem)
def test_what_is_shipped_has_a_checksum(path, tmp_path):
    whole = path.read_bytes()
    (tmp_path / path.name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="does not have the checksum that was written with it"):
        read_tensors(tmp_path / path.name)
