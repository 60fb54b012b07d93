"""Where drawn images go, and drawing that begins with an own image."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import one_line
from PIL import Image

from mini_ddpm import data, parallel, runs
from mini_ddpm.data import to_pixels
from mini_ddpm.files import write_tensors
from mini_ddpm.folders import read_picture
from mini_ddpm.runs import OwnImage, drawing, outputs
from mini_ddpm.runs.pictures import Film
from mini_ddpm.runs.presets import SampleConfig, preset
from mini_ddpm.sampling import Step, sample
from mini_ddpm.unet import UNet

CPU = torch.device("cpu")
TINY = replace(preset("tiny"), T=20, sampling=SampleConfig("ddim", steps=2))
PLAIN = replace(TINY, unet=replace(TINY.unet, classes=0), sampling=SampleConfig("ancestral", steps=5))
COLOUR = replace(PLAIN, unet=replace(PLAIN.unet, in_channels=3, image_size=32))
PETS = replace(TINY, unet=replace(TINY.unet, classes=3), names=("cat", "dog", "7"))


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Run folders of networks that answer at random: ten digits, no labels, colours, and three named classes."""
    folder = tmp_path_factory.mktemp("runs")
    for name, config in {"digits": TINY, "plain": PLAIN, "colour": COLOUR, "pets": PETS}.items():
        (folder / name).mkdir()
        torch.manual_seed(0)
        weights = {f"ema.{key}": torch.randn_like(value) / 10 for key, value in UNet(config.unet).state_dict().items()}
        write_tensors(folder / name / runs.CHECKPOINT, weights, {"config": config.to_json()})
    return folder


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(drawing, "BATCH", 4)


@pytest.fixture
def pictures(tmp_path):
    """An own photo, in colours and not square, and masks of it: the right half white, all white, all black."""
    Image.linear_gradient("L").resize((90, 60)).convert("RGB").save(tmp_path / "photo.jpg")
    mask = np.zeros((60, 90), np.uint8)
    for name, white in {"all": mask + 255, "none": mask, "half": np.where(np.arange(90) < 45, mask, 255)}.items():
        Image.fromarray(white.astype(np.uint8)).save(tmp_path / f"{name}.png")
    Image.new("RGB", (9, 9)).save(tmp_path / "photo.bmp")


def single(path):
    return np.asarray(Image.open(path))


def seen(image):
    """Pixels (C, H, W) as Pillow gives them."""
    return image.permute(1, 2, 0).squeeze(2).numpy()


# --- where images go ------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["digits", "plain", "colour"])
def test_the_same_images_in_every_form(networks, network, run, tmp_path, small_batches):
    for out in ("sheet.png", "all.npz", "folder", "slash.v2/"):
        assert run("sample", networks / network, "--n", 10, "--seed", 3, "--out", out) == (0, f"wrote {out}\n", "")
    trained = runs.open_run(str(networks / network), CPU)
    labels = runs.default_labels(trained, 10)
    pixels = to_pixels(runs.draw_many(trained, labels, 10, seed=3))
    assert len(pixels.unique(dim=0)) == 10
    runs.image_grid(pixels.double() / 127.5 - 1, columns=10).save(tmp_path / "wanted.png")
    assert np.array_equal(single(tmp_path / "sheet.png"), single(tmp_path / "wanted.png"))
    with np.load(tmp_path / "all.npz") as file:
        assert {*file} == ({"images", "labels"} if trained.classes else {"images"})
        assert file["images"].dtype == np.uint8
        assert np.array_equal(file["images"], pixels.permute(0, 2, 3, 1))
        assert labels is None or np.array_equal(file["labels"], labels)
    for folder in ("folder", "slash.v2"):
        files = sorted((tmp_path / folder).rglob("*.png"), key=lambda path: path.name)
        classes = [f"{i}/" if trained.classes else "" for i in range(10)]
        assert [str(f.relative_to(tmp_path / folder)) for f in files] == [
            f"{c}{i:05}.png" for i, c in enumerate(classes)
        ]
        assert all(np.array_equal(single(path), seen(image)) for path, image in zip(files, pixels, strict=True))


def test_every_image_is_drawn_with_its_own_label(networks, small_batches, monkeypatch, tmp_path):
    def draw(trained, labels, n, seed, own):
        yield Step(0, (labels / 255 * 2 - 1)[:, None, None, None].expand(n, 1, 28, 28), None)

    monkeypatch.setattr(drawing, "draw", draw)
    trained, labels = runs.open_run(str(networks / "digits"), CPU), torch.arange(11).flip(0) % 10
    (tmp_path / "folder").mkdir()
    for out in ("all.npz", "folder"):
        outputs.save_drawn(trained, labels, 11, 0, tmp_path / out)
    with np.load(tmp_path / "all.npz") as file:
        assert np.array_equal(file["images"][:, 0, 0, 0], labels)
    assert {(p.parent.name, int(single(p)[0, 0])) for p in tmp_path.rglob("*.png")} == {(str(y), y) for y in range(10)}


def test_a_folder_can_be_read_again_as_data(networks, run, tmp_path, small_batches):
    assert run("sample", networks / "pets", "--n", 6, "--out", "drawn")[0] == 0
    found = data.folder(tmp_path / "drawn", 28, channels=1)
    assert found.names == ("7", "cat", "dog")
    trained = runs.open_run(str(networks / "pets"), CPU)
    pixels = to_pixels(runs.draw_many(trained, torch.arange(6) % 3, 6, seed=0))
    assert torch.equal(found.images, pixels[[2, 5, 0, 3, 1, 4]])  # by class, then number
    assert found.labels.tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("names", "classes", "folders"),
    [
        (("cat", "dog"), 2, ["cat", "dog"]),
        (("grün", "a b.c"), 2, ["grün", "a b.c"]),
        ((), 2, ["0", "1"]),
        ((), 11, ["00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10"]),
        (("cat", "dog"), 3, ["0", "1", "2"]),  # of another number of classes
        (("..", "dog"), 2, ["0", "1"]),
        (("/root", "dog"), 2, ["0", "1"]),
        (("a/b", "dog"), 2, ["0", "1"]),
        (("c:\\b", "dog"), 2, ["0", "1"]),
        ((".hidden", "dog"), 2, ["0", "1"]),
        (("", "dog"), 2, ["0", "1"]),
        (("Dog", "dog"), 2, ["0", "1"]),  # one folder on some disks
    ],
)
def test_folders_have_names_that_every_system_takes(networks, names, classes, folders):
    trained = runs.open_run(str(networks / "digits"), CPU)
    config = replace(trained.config, unet=replace(TINY.unet, classes=classes), names=names)
    assert outputs.class_folders(replace(trained, config=config)) == folders


def test_a_folder_that_is_there_and_empty_is_filled(networks, run, tmp_path):
    (tmp_path / "new.png").mkdir()
    assert run("sample", networks / "plain", "--n", 2, "--out", "new.png", "--gif")[0] == 0
    assert sorted(path.name for path in (tmp_path / "new.png").iterdir()) == ["00000.png", "00001.png"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".hidden").touch()
    assert "other holds other files" in one_line(run("sample", networks / "plain", "--out", "other")[2])


def test_many_images_are_too_many_for_a_sheet_only(tmp_path):
    for name in ("x.npz", "x", "y/"):
        assert outputs.targets(str(tmp_path / name), 100_000, False)[0].name in ("x.npz", "x", "y")
    with pytest.raises(ValueError, match="2,500 images at most"):
        outputs.targets(str(tmp_path / "x.jpg"), 2501, False)


def test_who_stops_it_leaves_whole_pictures_only(networks, tmp_path, monkeypatch):
    save, begun = Image.Image.save, []

    def stopped(image, file, *args, **options):
        begun.append(file)
        save(image, file, *args, **options)
        if len(begun) == 3:
            file.truncate(20)
            raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", stopped)
    with pytest.raises(KeyboardInterrupt):
        outputs.save_drawn(runs.open_run(str(networks / "plain"), CPU), None, 5, 0, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"00000.png", "00001.png"}


def test_the_first_of_several_processes_draws_alone(networks, run, tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "rank", lambda: 1)
    assert run("sample", networks / "plain", "--n", 2)[0] == 0
    assert list(tmp_path.iterdir()) == []


# --- memory ---------------------------------------------------------------------------------------------


@pytest.fixture
def alive(monkeypatch):
    """How many steps of chains are in memory, each time that one more is made."""
    made, counts = [], []

    def counting(*args):
        for state in sample(*args):
            made.append(weakref.ref(state.x_t))
            counts.append(sum(each() is not None for each in made))
            yield state

    monkeypatch.setattr(drawing, "sample", counting)
    return counts


@pytest.mark.parametrize("out", ["sheet.png", "all.npz", "folder"])
def test_memory_grows_neither_with_the_steps_nor_with_the_images(networks, alive, small_batches, tmp_path, out):
    trained = runs.open_run(str(networks / "plain"), CPU)
    trained = replace(trained, diffusion=replace(trained.diffusion, steps=20))
    (tmp_path / "folder").mkdir()
    outputs.save_drawn(trained, None, 23, 0, tmp_path / out, tmp_path / "x.gif")
    assert len(alive) == 6 * 20
    assert max(alive) <= 3


@pytest.mark.parametrize(("n", "frames"), [(1, 1), (20, 20), (79, 79), (1000, 41), (10_000, 41)])
def test_of_a_chain_a_film_keeps_a_few_frames_and_the_last(n, frames):
    film = Film(n, 2)
    for t in range(n - 1, -1, -1):
        film(Step(t, torch.full((3, 1, 2, 2), -1.0 if t else 1.0), None))
    assert len(film.frames) == frames
    assert [int(np.asarray(film.frames[k])[2, 2]) for k in (0, -1)] == [0 if n > 1 else 255, 255]


def test_a_gif_shows_the_first_batch(networks, run, tmp_path, small_batches):
    assert run("sample", networks / "plain", "--n", 10, "--out", "x.npz", "--gif")[1] == "wrote x.npz and x.gif\n"
    with Image.open(tmp_path / "x.gif") as film, np.load(tmp_path / "x.npz") as file:
        assert film.n_frames == 5
        film.seek(4)
        last = np.asarray(film.convert("L"))
        seen = [last[2:30, 2 + 30 * i : 30 + 30 * i] for i in range(4)]
        assert np.abs(np.stack(seen).astype(int) - file["images"][:4, :, :, 0]).max() <= 2
        assert film.height == 32  # one row, of four images


# --- labels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("label", "y"), [("dog", 1), ("0", 0), ("2", 2), ("7", 2)])
def test_a_label_is_a_name_or_a_number(networks, run, tmp_path, label, y):
    assert run("sample", networks / "pets", "--n", 2, "--label", label, "--out", "x.npz")[0] == 0
    with np.load(tmp_path / "x.npz") as file:
        assert file["labels"].tolist() == [y, y]


@pytest.mark.parametrize(
    ("network", "label", "message"),
    [
        ("pets", "cow", "--label cow is unknown: the labels here are 0 to 2 (cat, dog, 7)"),
        ("pets", "3", "--label 3 is out of range: the labels here are 0 to 2 (cat, dog, 7)"),
        ("digits", "cat", "--label cat is unknown: the labels here are 0 to 9"),
        ("digits", "1,2", "--label 1,2 is unknown"),
        ("digits", "1.5", "--label 1.5 is unknown"),
        ("plain", "cat", "plain knows no labels"),
    ],
)
def test_another_label_is_refused(networks, run, tmp_path, network, label, message):
    assert message in one_line(run("sample", networks / network, "--label", label)[2])
    assert list(tmp_path.iterdir()) == []


# --- an own image ---------------------------------------------------------------------------------------


def test_variations_of_an_own_image_are_the_closer_the_later_they_begin(networks, run, tmp_path, pictures):
    for t in (1, 10, 20):
        out = ("--out", f"{t}.npz", "--gif")
        assert run("sample", networks / "plain", "--n", 5, "--image", "photo.jpg", "--from-step", t, *out)[0] == 0
    photo = read_picture(tmp_path / "photo.jpg", (28, 28), 1)
    drawn = {}
    for t in (1, 10, 20):
        with np.load(tmp_path / f"{t}.npz") as file:
            drawn[t] = file["images"][..., 0].astype(float)
    assert all(len(np.unique(images, axis=0)) == 5 for images in drawn.values())
    near = [np.abs(drawn[t] - photo[0].numpy()).mean() for t in (1, 10, 20)]
    assert near[0] < near[1] < near[2]


@pytest.mark.parametrize("network", ["digits", "plain"])
@pytest.mark.parametrize("more", ["", "--label 3 --guidance 2 --eta 1", "--sampler ancestral --steps 7 --gif"])
def test_what_a_mask_keeps_stays_and_the_rest_is_drawn_anew(networks, run, tmp_path, pictures, network, more):
    more = more if network == "digits" else more.partition("--label")[0]
    line = f"--n 6 --image photo.jpg --mask half.png --out x.npz {more}"
    assert run("sample", networks / network, *line.split())[0] == 0
    photo = read_picture(tmp_path / "photo.jpg", (28, 28), 1)[0].numpy()
    with np.load(tmp_path / "x.npz") as file:
        images = file["images"][..., 0]
    assert np.array_equal(images[:, :, :14], np.broadcast_to(photo[:, :14], (6, 28, 14)))
    assert len(np.unique(images[:, :, 14:], axis=0)) == 6


def test_an_own_image_in_python(networks):
    trained = runs.open_run(str(networks / "digits"), "cpu")
    photo, mask = torch.linspace(-1, 1, 28).expand(1, 28, 28), torch.ones(28, 28).tril()
    *_, last = runs.draw(trained, torch.tensor([3, 4]), 2, 0, OwnImage(photo, mask=mask))
    assert torch.equal(last.x_t[:, :, mask == 0], photo[:, mask == 0].expand(2, 1, -1))
    states = list(runs.draw(trained, None, 2, 0, OwnImage(photo, t=7)))
    assert [state.t for state in states] == [0]
    assert drawing.chain_length(trained, OwnImage(photo, t=7)) == 1
    assert drawing.chain_length(trained, OwnImage(photo, mask=mask)) == drawing.chain_length(trained) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--image photo.jpg", "--image needs --from-step, to draw variations of it, or --mask"),
        ("--from-step 3", "--from-step would do nothing here: it is for --image"),
        ("--mask half.png", "--mask would do nothing here: it is for --image"),
        ("--image photo.jpg --mask half.png --from-step 3", "--from-step would do nothing here: --mask begins"),
        ("--image photo.jpg --from-step 0", "0 is not in the range"),
        ("--image photo.jpg --from-step 21", "--from-step 21 is out of range: the steps of this run are 1 to 20"),
        ("--image photo.jpg --from-step 1.5", "not a valid integer"),
        ("--image gone.jpg --from-step 3", "gone.jpg can't be read"),
        ("--image . --from-step 3", "can't be read"),
        ("--image photo.bmp --from-step 3", "photo.bmp can't be read (not PNG, JPEG or WebP)"),
        ("--image photo.jpg --mask gone.png", "gone.png can't be read"),
        ("--image photo.jpg --mask all.png", "all.png is all light, so nothing is kept of --image"),
        ("--image photo.jpg --mask none.png", "none.png is all dark, so nothing is drawn anew"),
    ],
)
def test_a_wrong_own_image_is_refused(networks, run, tmp_path, pictures, monkeypatch, line, message):
    monkeypatch.setattr(drawing, "draw", None)
    before = {*tmp_path.rglob("*")}
    assert message in one_line(run("sample", networks / "digits", *line.split(), "--out", "new/")[2])
    assert {*tmp_path.rglob("*")} == before
