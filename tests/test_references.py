"""Figures of any images against a reference: exact where that is known; never those of another data set."""

import json
import math
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from conftest import one_line
from PIL import Image

from mini_ddpm import folders, runs
from mini_ddpm.data import ImageSet, to_model
from mini_ddpm.files import read_tensors, write_tensors
from mini_ddpm.measure import bound, extractors, frechet_distance, likelihood, moments_of, nearest_distance, references
from mini_ddpm.measure.extractors import Extractor
from mini_ddpm.runs import results
from mini_ddpm.runs.folder import Run, write_metrics
from mini_ddpm.runs.presets import SampleConfig, preset
from mini_ddpm.unet import UNet

CPU = torch.device("cpu")


def colours(images):
    """Six features of an image: mean and deviation of each colour."""
    x = to_model(images).flatten(2)
    return torch.cat([x.mean(dim=2), x.std(dim=2)], dim=1)


COLOURS = Extractor("colours", 6, colours)


@pytest.fixture(autouse=True)
def cheap_extractor_and_own_cache(monkeypatch, tmp_path_factory):
    """What there is to find in pictures here, six numbers tell; and no picture of a test stays in the user's cache."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(folders, "cache", lambda: cache)
    monkeypatch.setitem(extractors.EXTRACTORS, "efficientnet-lite0", lambda device: COLOURS)


def patterns(n, shift=0, seed=0, size=(3, 16, 16)):
    """Images of one random colour each, with noise; `shift` grey levels brighter."""
    generator = torch.Generator().manual_seed(seed)
    tint = 128 + 30 * torch.randn(n, size[0], 1, 1, generator=generator) + shift
    return (tint + 20 * torch.randn(n, *size, generator=generator)).round().clamp(0, 255).byte()


def unlabelled(images):
    return ImageSet(images, torch.zeros(len(images), dtype=torch.int64))


def save(images, folder, ending="png", first=0):
    """The images as files of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images, first):
        pixels = image.permute(1, 2, 0).numpy()
        Image.fromarray(pixels[..., 0] if len(image) == 1 else pixels).save(folder / f"{i:03}.{ending}")
    return folder


# --- the figures ----------------------------------------------------------------------------------------


def root(matrix):
    """The square root of a symmetric matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(values.clip(0) ** 0.5) @ vectors.T


@pytest.mark.parametrize("d", [2, 5])
def test_frechet_distance_of_clouds_of_known_moments_is_the_closed_form(d):
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2), of covariances that do not commute."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(50, d))
    x = x - x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T  # of mean 0 and covariance 1, exactly
    (a, b), (m_1, m_2) = draw.normal(size=(2, d, d)), draw.normal(size=(2, d))
    S_1, S_2 = a @ a.T, b @ b.T
    assert np.abs(S_1 @ S_2 - S_2 @ S_1).max() > 0.1
    expected = ((m_1 - m_2) ** 2).sum() + np.trace(S_1 + S_2 - 2 * root(root(S_1) @ S_2 @ root(S_1)))
    one, other = (torch.from_numpy(cloud) for cloud in (x @ a.T + m_1, x @ b.T + m_2))
    assert references.figures("x", one, other)["FD-x"] == pytest.approx(expected, rel=1e-6)


def test_all_images_against_the_whole_reference_are_what_the_distances_say():
    images, reference = patterns(40), patterns(70, seed=1)
    rows = references.compare(COLOURS, images, reference)
    expected = frechet_distance(colours(images), moments_of(colours(reference)))
    assert rows["images"]["FD-colours"] == pytest.approx(expected, rel=1e-6)
    assert (rows["images"]["n"], rows["images"]["n of the reference"]) == (40, 70)


@pytest.mark.parametrize(
    ("n", "m", "held_out", "k", "rest"),
    [(40, 100, 0, 40, 60), (200, 100, 0, 50, 50), (200, 100, 30, 30, 100), (20, 100, 30, 20, 100), (9, 10, 0, 5, 5)],
)
def test_real_images_stand_in_as_many_and_against_the_same(n, m, held_out, k, rest):
    real = patterns(held_out, seed=2) if held_out else None
    rows = references.compare(COLOURS, patterns(n), patterns(m, seed=1), real)
    assert [*rows] == ["images", "some of them", "as many real images"]
    for row in ("some of them", "as many real images"):
        assert (rows[row]["n"], rows[row]["n of the reference"]) == (k, rest)


@pytest.mark.parametrize(("m", "held_out"), [(9, 0), (50, 4)])
def test_of_too_few_real_images_there_is_no_control_and_that_is_said(m, held_out):
    rows = references.compare(COLOURS, patterns(40), patterns(m, seed=1), patterns(held_out) if held_out else None)
    assert [*rows] == ["images"]
    assert "there is no control" in references.advice(rows)


@pytest.mark.parametrize("held_out", [False, True])
def test_the_more_images_differ_the_larger_are_their_distances_and_real_ones_have_the_least(held_out):
    reference, real = patterns(400, seed=1), patterns(200, seed=2) if held_out else None
    torch.manual_seed(0)
    rows = [references.compare(COLOURS, patterns(200, shift), reference, real) for shift in (0, 10, 80)]
    for figure in ("FD-colours", "KD-colours"):
        same, near, far = (row["some of them"][figure] for row in rows)
        control = rows[2]["as many real images"][figure]
        assert far > 3 * near > 9 * abs(same)
        assert near > 3 * abs(control)
    for figure in ("precision-colours", "recall-colours"):
        assert rows[0]["some of them"][figure] > 0.8 > rows[2]["some of them"][figure]


def test_a_reference_in_the_order_of_its_classes_is_not_halved_between_them():
    dark, bright = patterns(100, -60), patterns(100, 60, seed=1)
    torch.manual_seed(0)
    reference = torch.cat([patterns(100, -60, 2), patterns(100, 60, 3)])
    rows = references.compare(COLOURS, torch.cat([dark, bright]), reference)
    apart = references.figures("colours", colours(dark), colours(bright))["FD-colours"]
    assert rows["as many real images"]["FD-colours"] < apart / 20
    assert rows["some of them"]["FD-colours"] < apart / 20


@pytest.mark.parametrize(("n", "m", "few"), [(1000, 2000, False), (999, 2000, True), (1000, 999, True), (40, 30, True)])
def test_the_kernel_distance_is_recommended_for_few_images(n, m, few):
    rows = {row: {"n": n, "n of the reference": m} for row in ("images", "some of them", "as many real images")}
    assert ("read KD" in references.advice(rows)) == few
    assert "compare `some of them` with `as many real images`" in references.advice(rows)


def test_fewer_than_five_images_are_no_set():
    for sizes in ((4, 50), (50, 4)):
        with pytest.raises(ValueError, match="at least 5 images a set, not 4"):
            references.compare(COLOURS, *(patterns(n) for n in sizes))


# --- neighbours -----------------------------------------------------------------------------------------


def test_copies_are_nearer_than_real_images_are_to_each_other():
    reference = patterns(60)
    copied = references.neighbours(reference[5:20], reference)
    new = references.neighbours(patterns(30, seed=1), reference)
    assert copied["nearest"] < 0.01
    assert copied["nearest of real images"] > 1
    assert new["nearest"] == pytest.approx(new["nearest of real images"], rel=0.2)
    held_out = references.neighbours(reference[:5], reference, patterns(30, seed=1))
    assert held_out["nearest of real images"] == pytest.approx(new["nearest"])
    assert [*references.neighbours(reference, reference[:1])] == ["nearest"]


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 40, 30), (3, 300, 400)])
@pytest.mark.parametrize("among", [False, True])
def test_nearest_distance_of_any_size_and_number_takes_little_memory(monkeypatch, shape, among):
    """As all differences at once would give, from parts of at most 64 MiB."""
    a, b = patterns(4, size=shape), patterns(50, seed=1, size=shape)
    b = torch.cat([b, a]) if among else b
    each = torch.stack([(one.double() - b).div(255).square().flatten(1).sum(dim=1).sqrt() for one in a])
    expected = float(each.kthvalue(1 + among, dim=1).values.median())
    cdist, seen = torch.cdist, []
    monkeypatch.setattr(torch, "cdist", lambda x, y: seen.append(max(x.numel(), y.numel())) or cdist(x, y))
    assert nearest_distance(a, b, among) == pytest.approx(expected, rel=1e-4)
    assert nearest_distance(to_model(a), to_model(b), among) == pytest.approx(expected, rel=1e-4)
    assert max(seen) <= 2**24
    assert len(seen) >= 2 * math.ceil(b.numel() / 2**24)


def test_a_single_image_has_no_neighbour_among_itself():
    with pytest.raises(ValueError, match="a single image has no neighbour"):
        nearest_distance(patterns(1), patterns(1), among=True)


# --- the command ----------------------------------------------------------------------------------------


def test_measure_ranks_folders_whoever_made_them(run, tmp_path):
    """Pictures of the reference's kind, in a grey format, at another size; and brighter ones."""
    save(patterns(80, seed=1), tmp_path / "real")
    save(patterns(40), tmp_path / "same")
    save(patterns(40, 40), tmp_path / "shifted" / "deeper", "webp")
    found = {}
    for name in ("same", "shifted"):
        status, out, _ = run("measure", name, "--reference", "real", "--out", f"{name}.json")
        assert status == 0
        for said in (f"{name}: 40 pictures at 16x16", "real: 80 pictures at 16x16", "read KD", "as many real images"):
            assert said in out
        found[name] = json.loads((tmp_path / f"{name}.json").read_text())
    rows = {name: content["rows"] for name, content in found.items()}
    for row in ("images", "some of them"):
        assert rows["same"][row]["FD-colours"] < rows["shifted"][row]["FD-colours"] / 5
    assert rows["same"]["as many real images"] == rows["shifted"]["as many real images"]
    assert rows["same"]["images"]["FD-colours"] == pytest.approx(
        frechet_distance(colours(patterns(40)), moments_of(colours(patterns(80, seed=1)))), rel=1e-6
    )
    how = {"folder": "same", "reference": "real", "extractor": "efficientnet-lite0", "seed": 0, "size": [16, 16]}
    assert how.items() <= found["same"].items()


def test_measure_sees_grey_as_three_equal_channels(run, tmp_path):
    grey = patterns(20, size=(1, 16, 16))
    save(grey, tmp_path / "grey")
    save(grey.expand(-1, 3, -1, -1), tmp_path / "three")
    assert run("measure", "grey", "--reference", "three", "--out", "f.json")[0] == 0
    figures = json.loads((tmp_path / "f.json").read_text())["rows"]
    assert figures["images"]["FD-colours"] == pytest.approx(0, abs=1e-6)
    assert figures["nearest neighbours"]["nearest"] < 0.01


@pytest.mark.parametrize(
    ("sizes", "options", "seen"),
    [
        ([(16, 16), (24, 12), (24, 12)], (), "24x12"),
        ([(16, 16), (24, 12), (24, 12)], ("--size", 8), "8x8"),
        ([(1100, 20)], (), "512x9"),  # extractors would shrink them anyway
    ],
)
def test_both_folders_are_read_at_the_commonest_size_of_the_first(run, tmp_path, sizes, options, seen):
    for i, size in enumerate(sizes):
        save(patterns(6, seed=i, size=(3, *size)), tmp_path / "some", first=10 * i)
    save(patterns(12, size=(3, 30, 20)), tmp_path / "real")
    status, out, _ = run("measure", "some", "--reference", "real", *options)
    assert status == 0
    assert out.count(f" pictures at {seen}") == 2


def test_a_picture_that_a_camera_turned_counts_as_it_is_seen(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "turned").mkdir()
    Image.new("RGB", (20, 10)).save(tmp_path / "turned" / "a.jpg", exif=exif)
    assert references.commonest_size(tmp_path / "turned") == (20, 10)


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """Folders: two that are sound, one with few pictures, one with a broken picture, one with nothing else."""
    monkeypatch.chdir(tmp_path)
    save(patterns(12), tmp_path / "sound")
    save(patterns(12, seed=1), tmp_path / "sound" / "below")
    save(patterns(12, seed=2), tmp_path / "real")
    save(patterns(4), tmp_path / "few")
    save(patterns(12), tmp_path / "torn").joinpath("003.png").write_bytes(b"")
    save(patterns(5), tmp_path / "ruins")
    for path in (tmp_path / "ruins").iterdir():
        path.write_bytes(b"")
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    (tmp_path / "empty").mkdir()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("real", "Missing option '--reference'"),
        ("real --reference real", "are the same folder"),
        ("real --reference link", "are the same folder"),
        ("real --reference ./sound/../real", "are the same folder"),
        ("sound --reference sound/below", "one inside the other"),
        ("sound/below --reference sound", "one inside the other"),
        ("real --reference .", "one inside the other"),
        ("few --reference real", "at least 5 images a set, not 4"),
        ("real --reference few", "at least 5 images a set, not 4"),
        ("torn --reference real", "003.png can't be read (0 bytes)"),
        ("real --reference torn", "003.png can't be read (0 bytes)"),
        ("ruins --reference real", "none of the pictures in ruins can be read"),
        ("empty --reference real", "empty holds no pictures"),
        ("real --reference nowhere", "nowhere does not exist"),
        ("nowhere --reference real", "nowhere does not exist"),
        ("real --reference sound/below --extractor cifar10-judge", "knows CIFAR-10 and nothing else"),
        ("real --reference sound/below --extractor vgg", "unknown extractor 'vgg'"),
        ("real --reference sound/below --extractor inception", "needs torch-fidelity"),
        ("real --reference sound/below --size 0", "0 is not in the range"),
        ("real --reference sound/below --size 100000", "100000 is not in the range"),
        ("real --reference sound/below --out figures.txt", "must end in .json"),
        ("real --reference sound/below --seed -1", "-1 is not in the range"),
    ],
)
def test_what_can_not_be_measured_is_one_line(pictures, run, line, message):
    status, _, err = run("measure", *line.split())
    assert status in (1, 2)
    assert message in one_line(err)


def test_broken_pictures_are_left_out_on_request(pictures, run):
    status, out, _ = run("measure", "torn", "--reference", "real", "--skip-broken")
    assert status == 0
    assert "torn: 11 pictures" in out


def test_each_extractor_says_what_it_reads(monkeypatch):
    assert COLOURS.of(patterns(3, size=(1, 20, 30))).shape == (3, 6)
    judge = extractors.get("cifar10-judge", CPU)
    for size in ((1, 32, 32), (3, 28, 28), (3, 64, 64)):
        with pytest.raises(ValueError, match=r"of shape \(N, 3, 32, 32\)"):
            judge.of(patterns(2, size=size))


@pytest.mark.parametrize("size", [(1, 28, 28), (3, 32, 48), (3, 300, 224), (3, 500, 700)])
def test_efficientnet_takes_images_of_any_size(monkeypatch, capsys, size):
    features = extractors.efficientnet_lite0(CPU).of(patterns(2, size=size))
    assert features.shape == (2, 1280)
    assert capsys.readouterr().out == ""


def test_shrinking_for_efficientnet_is_a_mean_not_a_choice_of_pixels():
    """A fine chequerboard is grey from afar."""
    board = 255 * (torch.arange(672)[:, None] + torch.arange(672)).remainder(2).byte().expand(1, 3, -1, -1)
    assert extractors.resized(board).abs().max() < 0.05


# --- evaluate -------------------------------------------------------------------------------------------


def network(data, channels=3, size=16, **changes):
    """An untrained network for this data, drawn from in two steps."""
    tiny = preset("tiny")
    unet = replace(tiny.unet, image_size=size, in_channels=channels, classes=0)
    config = replace(tiny, data=str(data), T=20, unet=unet, sampling=SampleConfig("ddim", steps=2), **changes)
    return runs.Trained(config, config.diffusion, UNet(unet).eval())


@pytest.mark.parametrize(("channels", "size", "n"), [(3, 16, 60), (1, 28, 60), (3, 32, 60), (1, 28, 12), (3, 16, 300)])
def test_own_pictures_are_measured_against_themselves(monkeypatch, tmp_path, channels, size, n):
    """Also those that look like digits, or like CIFAR-10, by their size."""
    monkeypatch.setattr("mini_ddpm.measure.load_reference", lambda: pytest.fail("the judge of digits was asked"))
    monkeypatch.setattr("mini_ddpm.measure.real_images", lambda *args: pytest.fail("CIFAR-10 was asked"))
    save(patterns(n, size=(channels, size, size)), tmp_path / "own")
    trained = network(tmp_path / "own", channels, size)
    figures = results.evaluate(trained, 20, seed=0)
    train = n - n // 10
    assert figures["n of the reference"] == train
    assert figures["n of some of them"] == figures["n of as many real images"] == min(20, train // 2)
    assert figures["nearest"] > figures["nearest of real images"]
    for figure in ("FD-colours", "KD-colours"):
        assert figures[f"{figure} of some of them"] > abs(figures[f"{figure} of as many real images"])
    assert "read KD" in figures["how to read this"]
    assert figures["n"] == 20
    assert figures == {**results.evaluate(trained, 20, seed=0), "sampling_seconds": figures["sampling_seconds"]}
    json.dumps(figures)


def test_held_out_pictures_are_the_control_where_they_are_enough(monkeypatch, tmp_path):
    save(patterns(300), tmp_path / "own")
    used = []
    compare = references.compare
    monkeypatch.setattr(references, "compare", lambda *args: used.append(args[3]) or compare(*args))
    for n in (20, 100):
        results.evaluate(network(tmp_path / "own"), n, seed=0)
    few, many = used
    assert torch.equal(few, patterns(300)[9::10])
    assert many is None  # half of the 270 training pictures are more than 30


@pytest.mark.parametrize(("data", "channels", "size"), [("fashion-mnist", 1, 28), ("mnist", 1, 32), ("cifar10", 3, 16)])
def test_a_judge_is_for_its_own_data_and_size(monkeypatch, data, channels, size):
    monkeypatch.setattr("mini_ddpm.measure.load_reference", lambda: pytest.fail("the judge of digits was asked"))
    monkeypatch.setattr("mini_ddpm.measure.real_images", lambda *args: pytest.fail("CIFAR-10 was asked"))
    images = patterns(60, size=(channels, size, size))
    monkeypatch.setattr(results, "images_of", lambda config, split: unlabelled(images))
    assert "FD-colours" in results.evaluate(network(data, channels, size), 20, seed=0)


@pytest.mark.parametrize(("data", "channels", "size"), [("mnist-5k", 1, 28), ("mnist", 1, 28), ("cifar10", 3, 32)])
def test_digits_and_cifar10_keep_their_judges(data, channels, size):
    figures = results.evaluate(network(data, channels, size), 20, seed=0)
    assert ("fd_judge" if channels == 1 else "FD-cifar10-judge") in figures
    assert "nearest" not in figures


def run_of(trained, folder, data):
    """A run folder of this network, as training leaves it."""
    folder.mkdir()
    made = Run(folder, trained.config, trained.config.new_state(CPU), data)
    made.save()
    keys = ("step", "loss", "grad_norm", "learning_rate", "images_per_second", "seconds")
    write_metrics(folder, [dict.fromkeys(keys, 1.0) | {"step": 1}])
    return made


@pytest.mark.parametrize(("pictures", "installed"), [(1, True), (4, False), (5, True), (12, True), (12, False)])
def test_a_report_never_fails_for_want_of_pictures_or_of_a_package(monkeypatch, tmp_path, pictures, installed):
    if not installed:
        monkeypatch.setitem(extractors.EXTRACTORS, "efficientnet-lite0", extractors.efficientnet_lite0)
        monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    images = patterns(pictures)
    save(images, tmp_path / "own")
    figures = runs.report(
        run_of(network(tmp_path / "own"), tmp_path / "run", unlabelled(images)),
        20,
    )
    assert figures["nearest"] > 0
    assert ("nearest of real images" in figures) == (pictures > 1)
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text()) == figures
    if pictures < 5:
        assert figures["not measured"].endswith(f"need at least 5 images a set, not {pictures}")
    elif installed:
        assert "FD-colours" in figures
    else:
        assert 'pip install "mini-ddpm[features]"' in figures["not measured"]


def test_an_extractor_that_is_asked_for_is_an_error_where_it_is_missing(run, tmp_path):
    images = patterns(60)
    save(images, tmp_path / "own")
    run_of(network(tmp_path / "own"), tmp_path / "run", unlabelled(images))
    line = ("evaluate", "run", "--n", 20, "--device", "cpu")
    assert "needs torch-fidelity" in one_line(run(*line, "--extractor", "inception")[2])
    assert "knows CIFAR-10 and nothing else" in one_line(run(*line, "--extractor", "cifar10-judge")[2])
    status, out, _ = run(*line, "--extractor", "efficientnet-lite0")
    assert status == 0
    assert "KD-colours of as many real images" in out


def test_bits_are_of_own_test_pictures_if_there_are_any(run, tmp_path):
    for name, n in (("some", 40), ("few", 9)):
        images = patterns(n)
        save(images, tmp_path / f"of-{name}")
        run_of(network(tmp_path / f"of-{name}"), tmp_path / name, unlabelled(images))
    status, out, _ = run("evaluate", "some", "--bits", 4, "--device", "cpu")
    assert status == 0
    assert "bits_per_dim" in out
    assert "there are 4 test images" in one_line(run("evaluate", "some", "--bits", 5, "--device", "cpu")[2])
    assert "no test part" in one_line(run("evaluate", "few", "--bits", 2, "--device", "cpu")[2])


@pytest.mark.parametrize("labels", [1, 3])
def test_labels_of_another_number_are_blamed_not_the_times(labels):
    trained = runs.open_run("mnist", CPU)
    y = torch.zeros(labels, dtype=torch.int64)
    with pytest.raises(ValueError, match=rf"^y must be .* one label an image: torch.int64 \({labels},\)"):
        bound(replace(trained.diffusion, steps=2), partial(trained.model, y=y), patterns(2, size=(1, 28, 28)))


# --- bits and judges ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", results.TERMS)
def test_terms_below_zero_are_no_terms(tmp_path, name):
    trained, path = network("mnist-5k", 1, 28), tmp_path / "terms.safetensors"
    results.bound_of_test_images(trained, 2, 0, path)
    rows, what = read_tensors(path)
    results.bound_of_test_images(trained, 2, 0, path)
    write_tensors(path, rows | {name: rows[name] - 100}, what)
    with pytest.raises(ValueError, match="is damaged: remove it"):
        results.bound_of_test_images(trained, 2, 0, path)


def test_bits_per_dim_show_one_bar(monkeypatch, capsys):
    monkeypatch.setattr(results, "tqdm", partial(results.tqdm, disable=False))
    monkeypatch.setattr(likelihood, "tqdm", lambda *args, **options: pytest.fail("a second bar"))
    monkeypatch.setattr(results, "CHUNK", 2)
    results.bound_of_test_images(network("mnist-5k", 1, 28), 6, 0)
    shown = capsys.readouterr().err
    assert "bits/dim: 100%" in shown
    assert "120/120" in shown  # six images, twenty steps
