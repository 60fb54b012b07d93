import gzip
import hashlib
import http.server
import io
import os
import re
import tarfile
import threading
import tracemalloc
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from mini_ddpm import data, downloads
from mini_ddpm.data import DataError, ImageSet, load, to_model, to_pixels


@pytest.fixture
def offline_cache(tmp_path, monkeypatch):
    """An empty cache and no MINI_DDPM_DATA."""
    monkeypatch.delenv("MINI_DDPM_DATA", raising=False)
    monkeypatch.setattr(downloads, "cache", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def server(tmp_path):
    """A small local HTTP server, its folder, and the paths it was asked for."""
    folder, asked = tmp_path / "served", []
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}/", folder, asked
    httpd.shutdown()
    httpd.server_close()


def idx_files():
    """A pretend MNIST: 20 training and 10 test images, in the official format."""
    files, digits = {}, {}
    for prefix, n in (("train", 20), ("t10k", 10)):
        images = np.random.default_rng(n).integers(0, 256, (n, 28, 28), np.uint8)
        labels = (np.arange(n) % 10).astype(np.uint8)
        files[f"{prefix}-images-idx3-ubyte.gz"] = np.array([2051, n, 28, 28], ">i4").tobytes() + images.tobytes()
        files[f"{prefix}-labels-idx1-ubyte.gz"] = np.array([2049, n], ">i4").tobytes() + labels.tobytes()
        digits[prefix] = images
    return files, digits


def change(monkeypatch, name, **changes):
    """Another MNIST or Fashion-MNIST: other mirrors or files."""
    monkeypatch.setitem(downloads.GZ_SETS, name, downloads.GZ_SETS[name]._replace(**changes))


def serve(folder, monkeypatch, name="mnist"):
    """Pretend files, and their checksums as those that are known."""
    files, digits = idx_files()
    known = {}
    for file, content in files.items():
        (folder / file).write_bytes(packed := gzip.compress(content))
        of = {"mnist": hashlib.sha256(content), "fashion-mnist": hashlib.md5(packed)}
        known[file] = of[name].hexdigest()
    change(monkeypatch, name, files=known)
    return digits


def cifar_records():
    """A pretend CIFAR-10 of the official size: constant images, the label being the colour."""
    labels = np.tile(np.arange(10, dtype=np.uint8), 1000)
    return np.concatenate([labels[:, None], np.repeat(labels[:, None], 3072, axis=1)], axis=1)


# --- embedded ------------------------------------------------------------------------------------------


def test_embedded_digits_are_balanced_and_apart():
    train, held_out = load("mnist-5k", "train"), load("mnist-5k", "test")
    assert train.labels.bincount().tolist() == [400] * 10
    assert held_out.labels.bincount().tolist() == [100] * 10
    assert train.images.shape == (4000, 1, 28, 28)
    assert train.images.dtype == torch.uint8
    known = {image.numpy().tobytes() for image in train.images}
    assert not any(image.numpy().tobytes() in known for image in held_out.images)
    assert 30 < train.images.float().mean() < 36  # MNIST's mean pixel is 33.3


def test_batches_are_normalised():
    images = torch.tensor([0, 255, 51], dtype=torch.uint8).reshape(3, 1, 1, 1)
    x, y = ImageSet(images, torch.tensor([4, 5, 6])).batch(torch.tensor([1, 2]))
    torch.testing.assert_close(x.flatten(), torch.tensor([1.0, -0.6]))
    assert y.tolist() == [5, 6]


def test_pixels_survive_the_round_trip():
    pixels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_pixels(to_model(pixels)), pixels)


def test_flips_only_where_asked():
    torch.manual_seed(0)
    image = torch.arange(4, dtype=torch.uint8).expand(200, 1, 4, 4)
    plain, _ = ImageSet(image, torch.zeros(200, dtype=torch.int64)).batch(torch.arange(200))
    flipped, _ = ImageSet(image, torch.zeros(200, dtype=torch.int64), flip=True).batch(torch.arange(200))
    assert torch.equal(plain, to_model(image))
    mirrored = (flipped == to_model(image).flip(-1)).all(dim=(1, 2, 3))
    assert 70 < mirrored.sum() < 130
    assert torch.equal(flipped[~mirrored], to_model(image)[~mirrored])


def test_some_of_cifar10_is_at_hand():
    some = data.some_cifar10()
    assert some.images.shape == (100, 3, 32, 32)
    assert torch.equal(some.labels, torch.arange(10).repeat(10))
    assert len(data.CIFAR10_CLASSES) == 10
    assert not some.flip


def test_damaged_embedded_file(tmp_path, monkeypatch):
    broken = tmp_path / "mnist-5k.npz"
    monkeypatch.setattr(data, "EMBEDDED", broken)
    with pytest.raises(DataError, match="is missing"):
        load("mnist-5k")
    broken.write_bytes(b"half a file")
    with pytest.raises(DataError, match=r"mnist-5k\.npz is damaged"):
        load("mnist-5k")


@pytest.mark.parametrize(
    ("name", "split", "message"), [("mnits", "train", "choose one of"), ("mnist-5k", "val", "split")]
)
def test_unknown_names(name, split, message):
    with pytest.raises(DataError, match=message):
        load(name, split)


# --- MNIST ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", downloads.GZ_SETS)
def test_the_four_files_are_downloaded_once(offline_cache, server, monkeypatch, name):
    url, folder, asked = server
    digits = serve(folder, monkeypatch, name)
    change(monkeypatch, name, mirrors=(url + "gone/", url))
    assert torch.equal(load(name, "train").images[:, 0], torch.from_numpy(digits["train"]))
    assert torch.equal(load(name, "test").images[:, 0], torch.from_numpy(digits["t10k"]))
    assert len([path for path in asked if "gone" not in path]) == 4


@pytest.mark.parametrize("name", downloads.GZ_SETS)
def test_a_mirror_that_serves_something_else_is_passed_over(offline_cache, server, monkeypatch, name):
    url, folder, _ = server
    digits = serve(folder, monkeypatch, name)
    (folder / "bad").mkdir()
    for file in downloads.GZ_SETS[name].files:
        (folder / "bad" / file).write_bytes(gzip.compress(b"a login page"))
    change(monkeypatch, name, mirrors=(url + "bad/", url))
    assert torch.equal(load(name, "train").images[:, 0], torch.from_numpy(digits["train"]))
    change(monkeypatch, name, mirrors=(url + "bad/",))
    for file in offline_cache.rglob("*.gz"):
        file.unlink()
    with pytest.raises(DataError, match="could not download"):
        load(name, "train")
    assert not list(offline_cache.rglob("*.gz"))


def test_no_network_and_nothing_cached(offline_cache, monkeypatch):
    for name in downloads.GZ_SETS:
        change(monkeypatch, name, mirrors=("http://127.0.0.1:9/",))
    monkeypatch.setattr(downloads, "CIFAR10_URL", "http://127.0.0.1:9/cifar-10-binary.tar.gz")
    for name in (*downloads.GZ_SETS, "cifar10"):
        with pytest.raises(DataError, match=f"check the network and run `mini-ddpm fetch {name}`"):
            load(name)


@pytest.mark.parametrize("name", downloads.GZ_SETS)
@pytest.mark.parametrize("damage", [lambda b: b[:-100], lambda b: b"no gzip", lambda b: gzip.compress(b"other")])
def test_a_damaged_file_is_named(tmp_path, monkeypatch, damage, name):
    folder = tmp_path / name
    folder.mkdir()
    serve(folder, monkeypatch, name)
    monkeypatch.setenv("MINI_DDPM_DATA", str(tmp_path))
    load(name, "train")
    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        DataError, match=rf"train-labels.*damaged or not (Fashion-)?MNIST .* run `mini-ddpm fetch {name}`"
    ):
        load(name, "train")
    path.unlink()
    with pytest.raises(DataError, match=r"train-labels.*missing"):
        load(name, "train")


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    """However much a file decompresses to, no more is read than the largest file of the set has, and one byte."""
    (tmp_path / "mnist").mkdir()
    serve(tmp_path / "mnist", monkeypatch)
    monkeypatch.setenv("MINI_DDPM_DATA", str(tmp_path))
    path = tmp_path / "mnist" / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(bytes(10**8)))
    tracemalloc.start()
    with pytest.raises(DataError, match="damaged"):
        load("mnist")
    assert tracemalloc.get_traced_memory()[1] < 2.5 * downloads.GZ_BYTES
    tracemalloc.stop()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
@pytest.mark.parametrize("make", [os.mkdir, getattr(os, "mkfifo", None)])
def test_what_is_no_file_is_not_waited_for(tmp_path, monkeypatch, make):
    monkeypatch.setenv("MINI_DDPM_DATA", str(tmp_path))
    for name, folder, file in (
        ("mnist", "mnist", "train-images-idx3-ubyte.gz"),
        ("cifar10", "cifar-10-batches-bin", "data_batch_1.bin"),
    ):
        (tmp_path / folder).mkdir()
        make(tmp_path / folder / file)
        with pytest.raises(DataError, match=f"{file} is missing or no file"):
            load(name)


def test_a_server_that_drips_has_a_deadline(offline_cache, monkeypatch):
    """Every byte comes in time for a socket's timeout, and the file never."""

    class Dripping(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            while not over.wait(0.05):
                self.wfile.write(b"x")

        def log_message(self, *args):
            pass

    over, httpd = threading.Event(), http.server.ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    change(monkeypatch, "mnist", mirrors=(f"http://127.0.0.1:{httpd.server_port}/",))
    monkeypatch.setattr(downloads, "DEADLINE", 0.5)
    with pytest.raises(DataError, match=r"not there after 0\.5 seconds"):
        load("mnist")
    over.set()
    httpd.shutdown()
    httpd.server_close()


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("mnist-5k", None, "the file's checksum"),
        ("mnist", None, "checksums of the decompressed bytes"),
        ("mnist", "here", "checksums of the decompressed bytes"),
        ("fashion-mnist", None, "MD5 checksums of the .gz files"),
        ("fashion-mnist", "here", "MD5 checksums of the .gz files"),
        ("cifar10", None, "the archive's checksum"),
        ("cifar10", "here", "sizes, labels and class counts only"),
    ],
)
def test_what_is_verified_is_said(monkeypatch, name, given, words):
    monkeypatch.delenv("MINI_DDPM_DATA", raising=False)
    if given:
        monkeypatch.setenv("MINI_DDPM_DATA", given)
    assert data.verified(name).startswith(words)


def test_given_folder_without_the_set(tmp_path, monkeypatch):
    monkeypatch.setenv("MINI_DDPM_DATA", str(tmp_path))
    for name in downloads.GZ_SETS:
        with pytest.raises(DataError, match=f"holds no folder {name}"):
            load(name)


def test_fashion_has_the_names_of_its_classes_and_another_md5_is_refused(tmp_path, monkeypatch):
    (tmp_path / "fashion-mnist").mkdir()
    serve(tmp_path / "fashion-mnist", monkeypatch, "fashion-mnist")
    monkeypatch.setenv("MINI_DDPM_DATA", str(tmp_path))
    found = load("fashion-mnist", "test")
    assert (len(found), found.images.shape[1:], found.flip) == (10, (1, 28, 28), False)
    assert (found.names[0], found.names[9], len(found.names)) == ("T-shirt/top", "Ankle boot", 10)
    path = tmp_path / "fashion-mnist" / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1))  # the same content
    with pytest.raises(DataError, match="damaged or not Fashion-MNIST"):
        load("fashion-mnist", "test")


@pytest.mark.parametrize("name", downloads.GZ_SETS)
def test_where_the_files_are_is_written_down(name):
    """The data page has every mirror and every checksum."""
    page = (Path(__file__).parent.parent / "data" / "README.md").read_text(encoding="utf-8")
    for file, checksum in downloads.GZ_SETS[name].files.items():
        assert re.search(rf"`{re.escape(file)}` \|.*`{checksum}`", page)
    assert any(mirror.split("/")[2] in page for mirror in downloads.GZ_SETS[name].mirrors)


# --- CIFAR-10 ------------------------------------------------------------------------------------------


def test_cifar10_is_downloaded_and_unpacked(offline_cache, server, monkeypatch):
    url, folder, asked = server
    archive = folder / "cifar-10-binary.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for name in downloads.CIFAR10_FILES["train"] + downloads.CIFAR10_FILES["test"]:
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            content = cifar_records().tobytes()
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    monkeypatch.setattr(downloads, "CIFAR10_URL", url + archive.name)
    with pytest.raises(DataError, match="could not download"):  # not the official checksum
        load("cifar10")
    monkeypatch.setattr(downloads, "CIFAR10_SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    train, test = load("cifar10"), load("cifar10", "test")
    assert train.images.shape == (50_000, 3, 32, 32)
    assert test.images.shape == (10_000, 3, 32, 32)
    assert (train.flip, test.flip) == (True, False)
    assert train.names == test.names == data.CIFAR10_CLASSES
    assert torch.equal(test.images[:, 2, 31, 31].long(), test.labels)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda r: r.tobytes()[:-1], "30,729,999 bytes"),
        (lambda r: np.where(np.arange(3073) == 0, 3, r).astype(np.uint8).tobytes(), "not CIFAR-10"),
        (lambda r: np.where(np.arange(3073) == 0, r + 1, r).astype(np.uint8).tobytes(), "not CIFAR-10"),
    ],
)
def test_damaged_cifar10_file(tmp_path, monkeypatch, damage, message):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    monkeypatch.setenv("MINI_DDPM_DATA", str(tmp_path))
    (folder / "test_batch.bin").write_bytes(damage(cifar_records()))
    with pytest.raises(DataError, match=message):
        load("cifar10", "test")
    (folder / "test_batch.bin").unlink()
    with pytest.raises(DataError, match=r"test_batch\.bin is missing"):
        load("cifar10", "test")
