"""Own pictures: every format, every mode, every trouble, and the cache."""

import io
import os
import struct
import sys
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from mini_ddpm import data, folders
from mini_ddpm.data import DataError, folder

NOISE = np.random.default_rng(0).integers(0, 256, (40, 30, 4), np.uint8)  # height 40, width 30
BLUE = (10, 40, 200)
posix = pytest.mark.skipif(
    sys.platform in ("win32", "darwin"), reason="names are Unicode here, and FIFOs another thing"
)
LINKS = pytest.mark.skipif(os.name == "nt", reason="links need a right of their own here")


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """The cache, empty, beside the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(folders, "cache", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "folders"


@pytest.fixture
def root(tmp_path):
    """An empty folder for pictures."""
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


@pytest.fixture
def decoded(monkeypatch):
    """The names of pictures that were decoded, in a list."""
    names, prepared = [], folders._prepared

    def note(image, *rest):
        names.append(os.path.basename(image.filename))
        return prepared(image, *rest)

    monkeypatch.setattr(folders, "_prepared", note)
    return names


def save(path, pixels=NOISE[..., :3], **options):
    """A picture of an array, its folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **options)


def plain(size=(8, 8), colour=BLUE, mode="RGB"):
    """One colour; size is (width, height)."""
    return Image.new(mode, size, colour)


def png(bits, colours, rows, transparent):
    """A PNG of few pixels with a transparent colour, as Pillow does not write it."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 2, len(rows), bits, colours, 0, 0, 0)), (b"tRNS", transparent)]
    parts += [(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))), (b"IEND", b"")]
    made = (struct.pack(">I", len(b)) + a + b + struct.pack(">I", zlib.crc32(a + b)) for a, b in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


# --- one picture ----------------------------------------------------------------------------------------

HALF = Image.fromarray(np.repeat(np.array([[[*BLUE, 255], [*BLUE, 0]]], np.uint8), 2, axis=0), "RGBA")
HALVES = [[[10, 255]] * 2, [[40, 255]] * 2, [[200, 255]] * 2]  # BLUE, and white where nothing is
SIXTEEN = np.array([[0, 128, 129], [25700, 65406, 65535]], np.uint16)
CLEAR = png(16, 0, [struct.pack(">2H", 0x1234, 0x1235)], struct.pack(">H", 0x1234))


@pytest.mark.parametrize(
    ("ending", "picture", "channels", "expected"),
    {
        "colour, pixel by pixel": ("png", NOISE[..., :3], 3, NOISE[..., :3].transpose(2, 0, 1)),
        "lossless WebP": ("webp", NOISE[..., :3], 3, NOISE[..., :3].transpose(2, 0, 1)),
        "grey": ("png", NOISE[..., 0], 1, NOISE[None, ..., 0]),
        "grey as colour": ("png", NOISE[..., 0], 3, NOISE[None, ..., 0].repeat(3, axis=0)),
        "colour as grey": ("png", plain((1, 1), (255, 0, 0)), 1, [[[76]]]),
        "16 bits": ("png", SIXTEEN, 1, [[[0, 0, 1], [100, 254, 255]]]),
        "16 bits as colour": ("png", SIXTEEN, 3, [[[0, 0, 1], [100, 254, 255]]] * 3),
        "1 bit": ("png", Image.fromarray(np.array([[True, False]])), 1, [[[255, 0]]]),
        "transparent, on white": ("png", HALF, 3, HALVES),
        "transparent WebP": ("webp", HALF, 3, HALVES),
        "half transparent": ("png", plain((1, 1), (0, 0, 0, 51), "RGBA"), 3, [[[204]]] * 3),
        "transparent grey": ("png", plain((1, 1), (100, 0), "LA"), 1, [[[255]]]),
        "palette": ("png", plain().quantize(4), 3, np.full((8, 8, 3), BLUE).transpose(2, 0, 1)),
        "transparent palette": ("png", HALF.quantize(4), 3, HALVES),
        "a transparent grey of 16 bits": ("png", CLEAR, 1, [[[255, 18]]]),
        "a transparent grey": ("png", png(8, 0, [b"\1\2"], b"\0\1"), 1, [[[255, 2]]]),
        "1 bit, black transparent": ("png", png(1, 0, [b"\x40"], b"\0\0"), 1, [[[255, 255]]]),
        "JPEG": ("jpg", plain(), 3, np.full((8, 8, 3), BLUE).transpose(2, 0, 1)),
        "grey JPEG": ("jpeg", plain((8, 8), 77, "L"), 1, np.full((1, 8, 8), 77)),
        "CMYK": ("jpg", plain((8, 8), (0, 255, 255, 0), "CMYK"), 3, [[[255] * 8] * 8, [[0] * 8] * 8, [[0] * 8] * 8]),
        "CMYK as grey": ("jpg", plain((8, 8), (0, 255, 255, 0), "CMYK"), 1, [[[76] * 8] * 8]),
    }.values(),
    ids=lambda value: None if not isinstance(value, str) else value,
)
def test_every_kind_of_picture_is_read(tmp_path, ending, picture, channels, expected):
    path, expected = tmp_path / f"x.{ending}", np.array(expected)
    if isinstance(picture, bytes):
        path.write_bytes(picture)
    else:
        save(path, picture, **{"webp": {"lossless": True}, "png": {}}.get(ending, {"quality": 100}))
    with warnings.catch_warnings(action="error"):
        found = folders.read_picture(path, expected.shape[1:], channels)
    assert found.dtype == torch.uint8
    assert found.shape == expected.shape
    assert (found.int() - torch.from_numpy(expected.astype(int))).abs().max() <= 2 * ending.startswith("j")


def test_the_content_counts_not_the_ending(root):
    save(root / "a.JPG", format="PNG")
    save(root / "b.WebP", format="JPEG")
    save(root / "c.JpEg", format="WEBP")
    assert len(folder(root, 8)) == 3


@pytest.mark.parametrize(("code", "corner"), [(1, 0), (2, 1), (3, 3), (4, 2), (5, 0), (6, 1), (7, 3), (8, 2)])
@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_pictures_are_turned_as_cameras_say(tmp_path, code, corner, ending):
    """The dark quarter is stored at the top left; 6 means that the camera was held upright."""
    pixels = np.full((16, 32, 3), 255, np.uint8)
    pixels[:8, :16] = 0
    exif = Image.Exif()
    exif[0x0112] = code
    save(tmp_path / f"x.{ending}", pixels, exif=exif)
    found = folders.read_picture(tmp_path / f"x.{ending}", (32, 16) if code > 4 else (16, 32))
    (height, width) = found.shape[1:]
    quarters = [found[:, height // 4 + a * height // 2, width // 4 + b * width // 2] for a in (0, 1) for b in (0, 1)]
    assert [int(quarter.float().mean() < 128) for quarter in quarters] == [int(i == corner) for i in range(4)]


@pytest.mark.parametrize("exif", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"Exif\0\0"])
def test_damaged_exif_is_passed_over_in_silence(tmp_path, exif):
    save(tmp_path / "x.jpg", exif=exif)
    with warnings.catch_warnings(action="error"):
        assert folders.read_picture(tmp_path / "x.jpg", (40, 30)).shape == (3, 40, 30)


@pytest.mark.parametrize("width", [1, 2, 31, 33, 1000])
@pytest.mark.parametrize("height", [1, 7, 32, 300])
@pytest.mark.parametrize("size", [(32, 32), (8, 64), (64, 8), (1, 1), (33, 31)])
def test_every_size_becomes_every_size(tmp_path, width, height, size):
    save(tmp_path / "x.png", plain((width, height)))
    found = folders.read_picture(tmp_path / "x.png", size)
    assert torch.equal(found, torch.tensor(BLUE, dtype=torch.uint8)[:, None, None].expand(3, *size))


@pytest.mark.parametrize("turned", [False, True])
def test_the_centre_is_kept(tmp_path, turned):
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 255
    save(tmp_path / "x.png", pixels.transpose(1, 0, 2) if turned else pixels)
    assert (folders.read_picture(tmp_path / "x.png", (20, 20)) == 255).all()


def test_of_several_frames_the_first_is_read(root):
    for ending in ("webp", "png"):
        more = {"save_all": True, "append_images": [plain(colour="white")], "lossless": True, "duration": 100}
        save(root / f"x.{ending}", plain(), **more)
    found = folder(root, 8)
    assert (found.images == torch.tensor(BLUE)[:, None, None]).all()
    assert "of several frames, the first taken: 2" in found.source


# --- what is wrong with it ------------------------------------------------------------------------------


def bomb(width, height):
    """A PNG that says it is large; nothing follows."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rest = struct.pack(">I", 3) + b"IDATabc" + struct.pack(">I", zlib.crc32(b"IDATabc"))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + rest


def encoded(ending, **options):
    file = io.BytesIO()
    Image.fromarray(NOISE[..., :3]).save(file, ending, **options)
    return file.getvalue()


BROKEN = {
    "0 bytes": (b"", "0 bytes"),
    "text": (b"<html>404</html>", "not PNG, JPEG or WebP"),
    "a GIF": (encoded("gif"), "not PNG, JPEG or WebP"),
    "a truncated PNG": (encoded("png")[:1000], "truncated"),
    "a truncated JPEG": (encoded("jpeg")[:-100], "truncated"),
    "a truncated WebP": (encoded("webp")[:-100], ""),
    "a header alone": (encoded("png")[:33], ""),
    "a corrupt PNG": (encoded("png")[:60] + b"nonsense" + encoded("png")[68:], "broken"),
    "a bomb": (bomb(40_000, 40_000), "more than 100,000,000 pixels"),
    "a bomb that Pillow only warns of": (bomb(10_000, 10_001), "more than 100,000,000 pixels"),
}


@pytest.mark.parametrize(("content", "reason"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_named_and_can_be_left_out(root, content, reason):
    for i in range(3):
        save(root / f"{i}.png")
    (root / "1.png").write_bytes(content)
    remedy = r"mend or remove .* --skip-broken \(in Python skip_broken=True\)"
    with warnings.catch_warnings(action="error"):
        with pytest.raises(DataError, match=rf"1\.png can't be read \(.*{reason}.*\): {remedy}") as caught:
            folder(root, 8)
        found = folder(root, 8, skip_broken=True)
        with pytest.raises(DataError, match=rf"1\.png can't be read \(.*{reason}.*\): choose another"):
            folders.read_picture(root / "1.png", (8, 8))
    assert "\n" not in str(caught.value)
    assert len(found) == 2
    assert "broken, left out: 1" in found.source


@pytest.mark.parametrize("code", [None, 6])
def test_a_bomb_is_not_decoded(root, monkeypatch, code):
    monkeypatch.setattr(folders, "MOST_PIXELS", 40 * 30 - 1)
    monkeypatch.setattr(folders, "_prepared", None)
    exif = Image.Exif()
    exif[0x0112] = code or 1
    save(root / "x.jpg", exif=exif)
    with pytest.raises(DataError, match="more than 1,199 pixels"):
        folder(root, 8)


def test_the_largest_picture_is_read(root, monkeypatch):
    monkeypatch.setattr(folders, "MOST_PIXELS", 40 * 30)
    save(root / "x.png")
    assert len(folder(root, 8)) == 1


def no_permission(path, monkeypatch):
    save(path)
    plain_open = Image.open

    def refuse(name, **options):
        if str(name) == str(path):
            raise PermissionError(13, "Permission denied", name)
        return plain_open(name, **options)

    monkeypatch.setattr(Image, "open", refuse)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(lambda path, _: path.symlink_to("gone.png"), "no file", marks=LINKS, id="a link to nothing"),
        pytest.param(lambda path, _: path.symlink_to(path.name), "no file", marks=LINKS, id="a link to itself"),
        pytest.param(lambda path, _: os.mkfifo(path), "no file", marks=posix, id="a FIFO"),
        pytest.param(no_permission, "Permission denied", id="no permission"),
    ],
)
def test_what_can_not_be_opened_is_broken(root, monkeypatch, make, reason):
    save(root / "a.png")
    make(root / "b.png", monkeypatch)
    with pytest.raises(DataError, match=rf"b\.png can't be read \({reason}\)"):
        folder(root, 8)
    assert len(folder(root, 8, skip_broken=True)) == 1


def test_the_first_of_many_broken_ones_is_named(root):
    for i in range(5):
        save(root / f"{i}.png")
        (root / f"{i}.jpg").touch()
    with pytest.raises(DataError, match=r"0\.jpg can't be read \(0 bytes\), nor can 4 others: mend"):
        folder(root, 8)


@pytest.mark.parametrize("classes", [(), ("cats", "dogs")])
def test_a_class_of_which_nothing_is_left_is_named(root, classes):
    for name in classes or [""]:
        (root / name).mkdir(exist_ok=True)
        (root / name / "x.png").touch()
    if classes:
        save(root / "dogs" / "y.png")
    with pytest.raises(DataError, match=r"(cats|pictures): none of its pictures can be read: mend them"):
        folder(root, 8, skip_broken=True)


# --- the folder -----------------------------------------------------------------------------------------


def fill(root, *names):
    """Pictures by name, each of another grey; `.txt` files and empty folders (`/`), too."""
    for i, name in enumerate(names):
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if name.lower().endswith(folders.ENDINGS):
            save(path, plain((4, 4), (i, i, i)))
        elif not name.endswith("/"):
            path.write_text("no picture", encoding="utf-8")


LAYOUTS = {
    "flat": (["b.png", "a.png"], [1, 0], [0, 0], ()),
    "one picture": (["a.png"], [0], [0], ()),
    "one class": (["cats/b.png", "cats/a.png"], [1, 0], [0, 0], ()),
    "classes by name": (["dogs/a.png", "cats/b.png", "cats/a.png"], [2, 1, 0], [0, 0, 1], ("cats", "dogs")),
    "deeper": (["b/x/y/1.png", "a/2.png", "b/0.png"], [1, 2, 0], [0, 1, 1], ("a", "b")),
    "hidden": (["a/1.png", "a/.h.png", "a/._1.png", ".b/1.png", "c/.d/1.png", "c/1.png"], [0, 5], [0, 1], ("a", "c")),
    "litter": (["a.png", "__MACOSX/a.png", "__MACOSX/._a.png", "Thumbs.db", "@eaDir/a.png"], [0], [0], ()),
    "folders without pictures": (["a.png", "notes/x.txt", "empty/"], [0], [0], ()),
    "a folder named as a picture": (["a.png/1.png", "b.jpg/2.png"], [0, 1], [0, 1], ("a.png", "b.jpg")),
    "other letters": (["猫/1.png", "Ärger und Fluß/2.png"], [1, 0], [0, 1], ("Ärger und Fluß", "猫")),
}


@pytest.mark.parametrize(("files", "order", "labels", "names"), LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("given", [str, lambda path: path, lambda path: f"{path}{os.sep}", os.path.relpath])
def test_folders_are_read_as_they_look(root, files, order, labels, names, given):
    fill(root, *files)
    found = folder(given(root), 4)
    assert found.images[:, 0, 0, 0].tolist() == order
    assert found.labels.tolist() == labels
    assert found.labels.dtype == torch.int64
    assert found.names == names


REFUSED = {
    "nothing": ([], r"holds no pictures \(\.png \.jpg \.jpeg \.webp\), only 0 other files"),
    "other files": (["a.gif", "b/c.txt", "b/.d"], "holds no pictures .* only 2 other files"),
    "hidden alone": ([".a.png", "__MACOSX/a.png"], "holds no pictures .* only 0 other files"),
    "both": (["a.png", "cats/b.png"], r"\(a\.png\) beside folders of pictures \(cats\): put each picture into"),
    "an empty class": (["a/1.png", "b/x.txt"], r"b holds no pictures: put some there, or remove it"),
    "one class, and an empty one": (["b/1.png", "a/"], r"a holds no pictures: put some there, or remove it"),
}


@pytest.mark.parametrize(("files", "message"), REFUSED.values(), ids=REFUSED)
def test_an_unclear_folder_is_refused(root, files, message):
    fill(root, *files)
    with pytest.raises(DataError, match=message) as caught:
        folder(root, 8)
    assert "\n" not in str(caught.value)


def test_what_is_no_folder_is_refused(root, monkeypatch):
    save(root / "a.png")
    for path, message in (
        (root / "gone", "gone does not exist: name the folder"),
        (root / "a.png", r"a\.png is a file: name the folder that holds"),
        ("a\0b", r"a\\x00b does not exist"),
    ):
        with pytest.raises(DataError, match=message):
            folder(path, 8)


@pytest.mark.parametrize("locked", ["", "cats", "cats/deep"])
def test_a_folder_without_permission_is_named(root, monkeypatch, locked):
    fill(root, "cats/deep/1.png", "dogs/1.png")
    plain_scandir = os.scandir

    def scandir(path):
        if str(path) == str(root / locked):
            raise PermissionError(13, "Permission denied", path)
        return plain_scandir(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match=rf"{(root / locked).name} can't be read \(Permission denied\): allow it"):
        folder(root, 8)


@pytest.mark.parametrize("bad", [{"size": 0}, {"size": True}, {"size": (8,)}, {"size": (8, 8.0)}, {"size": 5000}])
def test_an_impossible_size_is_named(root, bad):
    with pytest.raises(DataError, match=r"size must be a number of pixels from 1 to 4,096, or .height, width., not"):
        folder(root, **bad)


@pytest.mark.parametrize(("bad", "message"), [({"channels": 4}, "channels must"), ({"part": "val"}, "unknown part")])
def test_other_arguments_are_named(root, bad, message):
    with pytest.raises(DataError, match=message):
        folder(root, 8, **bad)


@posix
def test_names_of_pictures_need_not_be_utf_8_and_those_of_folders_must(root):
    save(root / "a.png")
    (root / "a.png").rename(root / os.fsdecode(b"caf\xe9.png"))
    assert len(folder(root, 8)) == 1
    (root / os.fsdecode(b"caf\xe9.jpg")).touch()
    with pytest.raises(DataError, match=r"caf\\xe9\.jpg can't be read"):
        folder(root, 8)
    fill(root, "cats/1.png", "dogs/2.png")
    (root / "x").mkdir()
    for path in root.glob("*.[pj]*"):
        path.rename(root / "cats" / path.name)
    (root / "x").rename(root / os.fsdecode(b"\xff"))
    with pytest.raises(DataError, match=r"pictures/\\xff has a name that is not UTF-8: rename the folder"):
        folder(root, 8)
    root.rename(root.with_name(os.fsdecode(b"\xfe")))
    with pytest.raises(DataError, match=r"/\\xfe has a name that is not UTF-8"):
        folder(root.with_name(os.fsdecode(b"\xfe")), 8)


@posix
def test_a_message_stays_one_line_whatever_the_name(root):
    (root / "a\nb\x1b[2J.png").touch()
    with pytest.raises(DataError, match=r"a\\nb\\x1b\[2J\.png can't be read") as caught:
        folder(root, 8)
    assert "\n" not in str(caught.value)


@LINKS
def test_links_are_followed_and_circles_end(root, tmp_path):
    fill(tmp_path, "elsewhere/1.png", "elsewhere/deep/2.png", "single.png", "other/5.png")
    fill(root, "cats/3.png", "cats/in/6.png")
    (root / "dogs").symlink_to(tmp_path / "elsewhere")
    (root / "more").symlink_to("cats")
    (root / "cats" / "4.png").symlink_to(tmp_path / "single.png")
    (root / "cats" / "in" / "other").symlink_to(tmp_path / "other")
    for circle, target in {
        "here": ".",
        "up": "..",
        "self": "self",
        "cats/again": ".",
        "cats/in/up": "../..",
        "cats/in/x": ".",
    }.items():
        (root / circle).symlink_to(target)
    (tmp_path / "elsewhere" / "deep" / "round").symlink_to(tmp_path / "elsewhere")
    found = folder(root, 4)
    assert found.names == ("cats", "dogs", "more")
    assert found.labels.tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2]


def test_ten_thousand_classes(root):
    (root / "0").mkdir()
    save(root / "0" / "x.png", plain((1, 1)))
    for i in range(1, 10_000):
        (root / f"{i:04}").mkdir()
        os.link(root / "0" / "x.png", root / f"{i:04}" / "x.png")
    found = folder(root, 1)
    assert torch.equal(found.labels, torch.arange(10_000))
    assert "10,000 pictures in 10,000 classes (0, 0001, 0002, 0003, 0004, 0005, ...) at 1x1" in found.source


def test_what_was_done_is_said(root):
    save(root / "b" / "0.png", plain((8, 8)))
    save(root / "b" / "1.png", plain((16, 16)))
    save(root / "b" / "2.png", plain((8, 9)))
    save(root / "a" / "3.png", plain((4, 2), (0, 0, 0, 0), "RGBA"))
    save(root / "a" / "4.png", plain((8, 8), (0, 0, 0, 255), "RGBA"))  # it could be transparent
    fill(root, "a/x.txt", "y.pdf", "a/.hidden")
    assert folder(root, 8).source == (
        f"{root}: 5 pictures in 2 classes (a, b) at 8x8; cropped to the centre: 2; enlarged: 1; made smaller: 1; "
        "transparent, put on white: 1; other files, ignored: 2"
    )
    assert folder(root / "b", 8).source.startswith(f"{root / 'b'}: 3 pictures at 8x8")


# --- parts ----------------------------------------------------------------------------------------------


def test_every_tenth_of_a_class_is_for_tests(root):
    fill(root, *(f"a/{i:02}.png" for i in range(25)), *(f"b/{i:02}.png" for i in range(9)))
    train, held_out, every = (folder(root, 4, part=part) for part in ("train", "test", None))
    assert held_out.images[:, 0, 0, 0].tolist() == [9, 19]
    assert train.images[:, 0, 0, 0].tolist() == [i for i in range(34) if i not in (9, 19)]
    assert torch.equal(every.images, torch.cat([train.images, held_out.images]))
    assert torch.equal(every.labels, torch.cat([train.labels, held_out.labels]))
    assert train.labels.bincount().tolist() == [23, 9]
    assert train.names == held_out.names == ("a", "b")
    assert held_out.source.endswith("; test part: 2")


def test_an_empty_part_is_refused(root):
    fill(root, *(f"{i}.png" for i in range(9)))
    assert len(folder(root, 4, part="train")) == 9
    with pytest.raises(DataError, match="has no test part: of each class, every tenth"):
        folder(root, 4, part="test")


def test_parts_stay_where_they_are_when_some_are_broken(root):
    fill(root, *(f"{i:02}.png" for i in range(20)))
    for i in (0, 5, 19):
        (root / f"{i:02}.png").write_bytes(b"")
    train, held_out = (folder(root, 4, part=part, skip_broken=True) for part in ("train", "test"))
    assert held_out.images[:, 0, 0, 0].tolist() == [9]
    assert train.images[:, 0, 0, 0].tolist() == [i for i in range(20) if i not in (0, 5, 9, 19)]


# --- by name --------------------------------------------------------------------------------------------


def test_a_folder_is_loaded_by_its_path(root, monkeypatch):
    monkeypatch.chdir(root.parent)
    fill(root, *(f"{i:02}.png" for i in range(10)))
    for name in (str(root), "pictures", "./pictures"):
        assert data.load(name, "train", (4, 6), 1).images.shape == (9, 1, 4, 6)
    assert len(data.load("pictures", "test", 4)) == 1
    with pytest.raises(DataError, match="pictures is a folder of pictures: give their size"):
        data.load("pictures")


def test_a_data_sets_name_is_no_folder(root, monkeypatch):
    monkeypatch.chdir(root)
    fill(root, "mnist-5k/a.png", "cats/a.png")
    named = {"mnist-5k": False, "./mnist-5k": True, "cats": True, "gone": False, "./gone": True, str(root): True}
    assert {name: data.is_folder(name) for name in named} == named
    assert not data.is_folder(["cats"])
    assert len(data.load("mnist-5k", "test")) == 1000
    with pytest.raises(DataError, match=r"unknown data set 'gone': choose one of .*; own pictures need a folder's"):
        data.load("gone")


def test_names_and_labels_agree(root):
    fill(root, "a/0.png", "b/1.png")
    found = folder(root, 4)
    with pytest.raises(ValueError, match="labels must be from 0 to 0, not 0 to 1"):
        data.replace(found, names=("a",))
    assert found.to(torch.device("cpu")).names == ("a", "b")


# --- the cache ------------------------------------------------------------------------------------------


def test_what_has_not_changed_is_not_decoded_again(root, decoded, kept):
    fill(root, "a.png", "b.png", "c.txt")
    first = folder(root, 4)
    assert sorted(decoded) == ["a.png", "b.png"]
    for given in (root, str(root), os.path.relpath(root)):
        again = folder(given, 4, part="train")
        assert torch.equal(again.images, first.images)
        assert again.source == f"{root}: 2 pictures at 4x4; other files, ignored: 1; train part: 2"
    assert len(decoded) == 2
    assert len([*kept.iterdir()]) == 1


@LINKS
def test_a_folder_and_a_link_to_it_share_a_cache(root, decoded, tmp_path):
    fill(root, "a.png")
    folder(root, 4)
    (tmp_path / "link").symlink_to(root)
    assert folder(tmp_path / "link", 4).source.startswith(f"{tmp_path / 'link'}: 1 picture at 4x4")
    assert decoded == ["a.png"]


CHANGES = {
    "other pixels": lambda root: save(root / "a.png", plain((4, 4), (99, 99, 99))),
    "the same size, another time": lambda root: os.utime(root / "a.png", ns=(1, 1)),
    "another name": lambda root: (root / "a.png").rename(root / "z.png"),
    "one more": lambda root: save(root / "c.png", plain((4, 4))),
    "one less": lambda root: (root / "a.png").unlink(),
    "classes": lambda root: [
        fill(root, "x/", "y/"),
        *((root / f"{n}.png").rename(root / d / "1.png") for n, d in ("ax", "by")),
    ],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_has_changed_is_read_again_and_the_old_cache_goes(root, decoded, kept, change):
    fill(root, "a.png", "b.png")
    folder(root, 4)
    folder(root, 8)
    folder(root, 4, channels=1)
    old = {*kept.iterdir()}
    assert len(old) == 3
    decoded.clear()
    change(root)
    found = folder(root, 4)
    assert sorted(decoded) == sorted(path.name for path in root.rglob("*.png"))
    new = {*kept.iterdir()}
    assert (len(new), len(new & old)) == (3, 2)  # other sizes are another matter
    assert len(found) == len(decoded)


def test_a_class_that_gets_another_name_gets_another_place(root, monkeypatch):
    """Its pictures have not changed, and where times are coarse they tell nothing."""
    monkeypatch.setattr(folders, "_state", lambda path: ())
    fill(root, "a/0.png", "b/1.png")
    folder(root, 4)
    (root / "a").rename(root / "c")
    found = folder(root, 4)
    assert found.names == ("b", "c")
    assert found.images[:, 0, 0, 0].tolist() == [1, 0]


def test_a_mended_picture_is_read(root, monkeypatch):
    """Even where nothing of the file tells: it may have been out of reach."""
    fill(root, "a.png", "b.png")
    with monkeypatch.context() as patch:
        plain_open = Image.open
        patch.setattr(Image, "open", lambda name, **options: plain_open(None if "a.png" in name else name, **options))
        assert len(folder(root, 4, skip_broken=True)) == 1
        with pytest.raises(DataError, match=r"a\.png can't be read"):
            folder(root, 4)
    assert len(folder(root, 4)) == 2


def test_broken_pictures_alone_are_tried_again(root, decoded):
    fill(root, "a.png", "b.png")
    (root / "c.png").touch()
    with pytest.raises(DataError, match=r"c\.png"):
        folder(root, 4)
    decoded.clear()
    found = folder(root, 4, skip_broken=True)
    assert (len(found), decoded) == (2, [])


DAMAGES = {
    "empty": lambda content: b"",
    "short": lambda content: content[:20],
    "half": lambda content: content[: len(content) // 2],
    "pixels missing": lambda content: content[10:],
    "pixels too many": lambda content: bytes(48) + content,
    "another index": lambda content: content.replace(b'"broken": []', b'"broken":[0]'),
    "another note": lambda content: content.replace(b'"done": {}', b'"done":[] '),
    "no index": lambda content: content[:-1] + b"\xff",
    "nonsense": lambda content: b"\xff" * 1000,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_cache_is_made_anew(root, kept, damage, decoded):
    fill(root, "a.png", "b.png")
    expected = folder(root, 4).images.clone()
    (path,) = kept.iterdir()
    sound = path.read_bytes()
    path.write_bytes(damage(sound))
    assert path.read_bytes() != sound
    assert torch.equal(folder(root, 4).images, expected)
    assert len(decoded) == 4
    assert path.read_bytes() == sound


def test_a_cache_that_can_not_be_written_is_done_without(root, kept, tmp_path):
    fill(root, "a.png", "b.png")
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    with warnings.catch_warnings(action="error"):
        found = folder(root, 4)
    assert found.images[:, 0, 0, 0].tolist() == [0, 1]
    assert "; no cache: " in found.source


def test_a_full_disk_leaves_no_half_cache(root, kept, monkeypatch):
    fill(root, "a.png", "b.png")

    def full(file, **given):
        file.write(b"some")
        if not isinstance(file, io.BytesIO):
            raise OSError(28, "No space left on device")
        file.seek(0)
        plain_fill(file, **given)

    plain_fill = folders._fill
    monkeypatch.setattr(folders, "_fill", full)
    found = folder(root, 4)
    assert found.images[:, 0, 0, 0].tolist() == [0, 1]
    assert "no cache: could not write" in found.source
    assert "No space left on device" in found.source
    assert not [*kept.iterdir()]


def test_an_interrupted_reading_leaves_no_cache(root, kept, monkeypatch):
    fill(root, "a.png", "b.png")
    with monkeypatch.context() as patch:
        patch.setattr(folders, "_fill", lambda file, **given: exec("raise KeyboardInterrupt"))
        with pytest.raises(KeyboardInterrupt):
            folder(root, 4)
    assert not [*kept.iterdir()]
    assert len(folder(root, 4)) == 2


def test_changing_images_in_memory_changes_no_cache(root):
    fill(root, "a.png")
    folder(root, 4).images.fill_(77)
    found = folder(root, 4).images
    found.fill_(77)
    assert (folder(root, 4).images == 0).all()


def test_memory_does_not_grow_with_the_number_of_pictures(root):
    save(root / "0.png", plain((64, 64)))
    peaks = []
    for n in (128, 1024):
        for i in range(1, n):
            if not (root / f"{i}.png").exists():
                os.link(root / "0.png", root / f"{i}.png")
        for _ in ("read", "mapped"):
            tracemalloc.start()
            found = folder(root, 64)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert found.images.nbytes == n * 3 * 64 * 64  # 1.5 and 12 MiB
    assert peaks[2] - peaks[0] < 2e6
    assert peaks[3] - peaks[1] < 2e6


def test_a_batch_is_made_of_mapped_images(root):
    fill(root, "a.png", "b.png", "c.png")
    for _ in range(2):
        with warnings.catch_warnings(action="error"):
            x_0, y = folder(root, 4).batch(torch.tensor([2, 0]))
        assert torch.equal(data.to_pixels(x_0)[:, 0, 0, 0], torch.tensor([2, 0], dtype=torch.uint8))
        assert y.tolist() == [0, 0]


def test_nothing_from_outside_the_crop_gets_in(tmp_path):
    """The middle third is black, the rest white."""
    picture = Image.new("L", (3000, 1000), "white")
    picture.paste(0, (1000, 0, 2000, 1000))
    picture.save(tmp_path / "a.png")
    assert int(folders.read_picture(tmp_path / "a.png", (32, 32), channels=1).max()) == 0
