"""Nothing wrong passes silently: tables of what may not enter, at the command line and at the library's doors.

Each is one line that names the thing, with an exit status that is not 0 (a ValueError in the library), and leaves
nothing behind.
"""

import copy
import random
import shutil
from dataclasses import replace

import pytest
import torch
from conftest import one_line
from PIL import Image

from mini_ddpm import data, losses, measure, runs
from mini_ddpm.classifier import Classifier, train_classifier
from mini_ddpm.data import ImageSet, load, some_cifar10, to_model
from mini_ddpm.diffusion import Diffusion, fixed_small, q_sample
from mini_ddpm.files import read_tensors, write_tensors
from mini_ddpm.guidance import classifier_free, classifier_guided, classifier_step
from mini_ddpm.measure import extractors, judges
from mini_ddpm.runs.classifiers import save_classifier
from mini_ddpm.runs.drawing import batch_seed
from mini_ddpm.runs.pictures import loss_curve
from mini_ddpm.runs.presets import SampleConfig, preset
from mini_ddpm.runs.trained import CHECKPOINT
from mini_ddpm.sampling import ancestral_step, ddim_step, sample
from mini_ddpm.schedules import NoiseSchedule, cosine_betas
from mini_ddpm.unet import UNet

CPU = torch.device("cpu")
TINY = replace(preset("tiny"), T=20)
PLAIN = replace(TINY, unet=replace(TINY.unet, classes=0), sampling=SampleConfig("ancestral", steps=2))


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """Untrained runs, RUN (labels, ddim), PLAIN (none, ancestral) and NAN; a classifier, GUIDE; a picture, OWN."""
    folder = tmp_path_factory.mktemp("runs")
    runs.start(replace(TINY, sampling=SampleConfig("ddim", steps=2)), folder / "RUN", CPU)
    runs.start(PLAIN, folder / "PLAIN", CPU)
    shutil.copytree(folder / "RUN", folder / "NAN")
    tensors, card = read_tensors(folder / "RUN" / CHECKPOINT)
    tensors["ema.conv_out.bias"] = tensors["ema.conv_out.bias"] * torch.nan
    write_tensors(folder / "NAN" / CHECKPOINT, tensors, card)
    save_classifier(folder / "GUIDE.safetensors", Classifier(TINY.unet, 10), TINY, True)
    Image.linear_gradient("L").save(folder / "OWN.png")
    return folder


@pytest.fixture
def refused(untrained, run, tmp_path, monkeypatch):
    """Call the command line, where words in capitals are files of `untrained`: the one line that it ends with."""
    monkeypatch.setenv("MINI_DDPM_DATA", str(tmp_path / "empty"))
    before = {path: path.stat().st_mtime_ns for path in untrained.rglob("*")}

    def call(*arguments):
        status, _, err = run(*[in_folder(untrained, word) for word in arguments])
        assert status in (1, 2)
        assert list(tmp_path.iterdir()) == []
        assert {path: path.stat().st_mtime_ns for path in untrained.rglob("*")} == before
        return one_line(err)

    return call


def in_folder(folder, word):
    """`RUN/x` -> `folder/RUN/x`; other words as they are."""
    return str(folder / word) if word.split("/")[0].split(".")[0] in ("RUN", "PLAIN", "NAN", "GUIDE", "OWN") else word


def table(*rows):
    """Rows (command line, message) as parameters."""
    return pytest.mark.parametrize(("line", "message"), [pytest.param(*row, id=row[0] or "nothing") for row in rows])


@table(
    ("train --preset huge", "unknown preset 'huge': choose one of mnist-laptop"),
    ("train --data mnits", "unknown data set 'mnits': choose one of mnist-5k"),
    ("train --data cifar10", "MINI_DDPM_DATA"),
    ("train --preset cifar10-ddpm --data mnist-5k", "takes images of (3, 32, 32)"),
    ("train --device meta", "choose cuda, mps or cpu"),
    ("train --device abacus", "'abacus' is not available"),
    ("train --resume nowhere", "nowhere/checkpoint.safetensors does not exist"),
    ("train-judge --data faces", "unknown judge's data set 'faces': choose one of mnist, cifar10"),
    ("train-classifier --data mnits --out c.safetensors", "unknown data set 'mnits'"),
    ("train-classifier --preset cifar10-ddpm --data mnist-5k --out c.safetensors", "takes images of (3, 32, 32)"),
    ("sample nowhere", "nowhere is neither a run folder nor a shipped model"),
    ("sample RUN --sampler magic", "unknown sampler 'magic': choose one of ancestral, ddim, dpm-solver"),
    ("sample RUN --label 10", "--label 10 is out of range: the labels here are 0 to 9"),
    ("sample RUN --label -1", "--label -1 is out of range"),
    ("sample RUN --label one", "--label one is unknown: the labels here are 0 to 9"),
    ("sample RUN --classifier nowhere", "nowhere does not exist"),
    ("sample RUN --classifier judge", "not a noise-aware classifier"),
    ("sample mnist --raw", "holds averaged weights only"),
    ("evaluate nowhere", "neither a run folder nor a shipped model"),
    ("evaluate RUN --sampler ancestral --variance learned-range", "needs a network with variance channels"),
    ("evaluate RUN --sampler ancestral --variance huge", "unknown variance 'huge': choose one of fixed-small"),
    ("evaluate judge", "judge.safetensors is not a checkpoint"),
    ("floors --extractor vgg", "unknown extractor 'vgg'"),
    ("fetch imagenet", "unknown data set 'imagenet'"),
    ("fetch mnist", "MINI_DDPM_DATA"),
    ("export nowhere --out x.safetensors", "neither a run folder nor a shipped model"),
    ("paint", "No such command 'paint'"),
    ("sample", "Missing argument 'RUN'"),
)
def test_a_wrong_name_is_named(refused, line, message):
    assert message in refused(*line.split())


LONG = "9" * 30


@table(
    *(
        (f"{command} {option} {value}", f"'{option}': {value} is not in the range")
        for command, option, values in (
            ("train", "--steps", ("0", "-1", LONG)),
            ("train", "--seed", ("-1", LONG)),
            ("train-classifier", "--steps", ("10", LONG)),
            ("train-classifier", "--seed", (LONG,)),
            ("train-judge", "--epochs", ("0", LONG)),
            ("train-judge", "--seed", (LONG,)),
            ("sample RUN", "--n", ("0", "1000000000")),
            ("sample RUN", "--steps", ("0", LONG)),
            ("sample RUN", "--seed", ("-1", LONG)),
            ("evaluate RUN", "--n", ("4", "1000000000")),
            ("evaluate RUN", "--bits", ("1", LONG)),
            ("evaluate RUN", "--seed", (LONG,)),
            ("floors", "--n", ("4", LONG)),
            ("floors", "--seed", (LONG,)),
        )
        for value in values
    ),
    ("train --minutes -1", "-1.0 is not in the range 0<x<=100000"),
    ("train --minutes 1e308", "1e+308 is not in the range"),
    ("train --minutes inf", "inf is not in the range"),
    ("train --minutes nan", "nan is not a number"),
    ("sample RUN --guidance nan", "nan is not a number"),
    ("sample RUN --guidance -inf", "-inf is not in the range"),
    ("sample RUN --guidance 1e30", "1e+30 is not in the range"),
    ("sample RUN --eta 2", "2.0 is not in the range 0<=x<=1"),
    ("sample RUN --eta nan", "nan is not a number"),
    ("sample RUN --steps 21", "steps must be between 1 and T=20"),
    ("evaluate RUN --raw --steps 21", "steps must be between 1 and T=20"),
    ("evaluate RUN --bits 1001", "there are 1,000 test images"),
)
def test_a_number_out_of_bounds_is_named_with_its_bounds(refused, line, message):
    assert message in refused(*line.split())


@table(
    *(
        (f"train --resume RUN {option}", "--resume goes on as the run began")
        for option in (
            "--preset tiny",
            "--preset mnist-laptop",
            "--data mnist-5k",
            "--minutes 1",
            "--seed 0",
            "--out other",
        )
    ),
    ("train --minutes 1 --steps 5", "--minutes would do nothing here"),
    ("train-judge --device cuda", "the CPU trains the judge"),
    ("sample PLAIN --eta 0", "only --sampler ddim has it"),
    ("sample RUN --sampler dpm-solver --eta 0", "only --sampler ddim has it"),
    ("sample RUN --sampler dpm-solver --variance fixed-small", "only --sampler ancestral and --bits have it"),
    ("sample RUN --sampler ancestral --eta 1", "only --sampler ddim has it"),
    ("sample RUN --variance fixed-small", "only --sampler ancestral and --bits have it"),
    ("sample PLAIN --sampler ddim --variance fixed-small", "only --sampler ancestral and --bits have it"),
    ("sample PLAIN --guidance 1", "PLAIN knows no labels"),
    ("sample PLAIN --label 0", "PLAIN knows no labels"),
    ("evaluate PLAIN --guidance 3", "PLAIN knows no labels"),
    ("evaluate RUN --terms terms.safetensors", "--terms would do nothing here: it is for --bits"),
    ("evaluate RUN --extractor cifar10-judge", "digits have their own judge"),
    *(
        (f"evaluate RUN --bits 2 {option}", f"{option.split()[0]} would do nothing here: --bits draws no images")
        for option in (
            "--n 2000",
            "--sampler ddim",
            "--steps 2",
            "--eta 0",
            "--guidance 1",
            "--classifier GUIDE.safetensors",
            "--extractor cifar10-judge",
            "--compile",
        )
    ),
    ("evaluate RUN --bits 2 --eta 0 --steps 2", "--eta and --steps would do nothing"),
)
def test_an_option_that_would_do_nothing_is_refused(refused, line, message):
    assert message in refused(*line.split())


@table(
    *(
        (f"{command} --out {name}", "")
        for command, ending in (
            ("evaluate RUN", ".json"),
            ("floors", ".json"),
            ("export RUN", ".safetensors"),
            ("train-judge", ".safetensors"),
            ("train-classifier --preset tiny", ".safetensors"),
        )
        for name in (".", "x", "x.npz", f"RUN/config.json/x{ending}")
    ),
    ("sample RUN --out x.gif --gif", "x.gif must end in .png or"),
    ("sample RUN --out x.txt", "x.txt must end in .png or .jpg or .jpeg or .npz or / for a folder"),
    ("sample RUN --out RUN", "RUN holds other files: choose a new name"),
    ("sample RUN --out RUN/", "RUN holds other files: choose a new name"),
    ("sample RUN --out RUN/metrics.csv/", "metrics.csv"),
    *((f"sample RUN --out RUN/config.json{name}", "config.json") for name in ("", "/", "/x", "/x.png", "/x.npz")),
    ("sample RUN --n 2501", "a sheet shows 2,500 images at most: for 2,501, choose an .npz file or a folder/"),
    ("evaluate RUN --bits 2 --terms x.json", "x.json"),
    ("evaluate RUN --bits 2 --terms RUN/checkpoint.safetensors", "checkpoint.safetensors"),
    ("evaluate RUN --out RUN/config.json", "config.json"),
    ("evaluate RUN --out RUN/metrics.csv", "metrics.csv"),
    ("export RUN --out RUN/checkpoint.safetensors", "belongs to the run"),
    ("export RUN --out PLAIN/checkpoint.safetensors", "belongs to the run"),
    ("train-classifier --preset tiny --out PLAIN/checkpoint.safetensors", "belongs to the run"),
    ("train --preset tiny --out RUN/config.json", "is a file"),
)
def test_a_file_that_can_not_be_written_is_refused_before_the_work(refused, monkeypatch, line, message):
    monkeypatch.setattr("mini_ddpm.runs.drawing.draw", None)
    for work in ("draw_many", "evaluate", "bits_per_dim"):
        monkeypatch.setattr(runs, work, None)
    assert message in refused(*line.split())


def test_too_many_steps_are_refused_before_the_work(refused, monkeypatch):
    monkeypatch.setattr(runs, "evaluate", None)
    assert "between 1 and T=20" in refused("evaluate", "RUN", "--steps", "21")


@pytest.mark.parametrize("words", [["--out", ""], ["--out="], ["--classifier", ""], ["--gif", ""]])
def test_an_empty_word_is_refused(refused, words):
    assert "empty" in refused("sample", "RUN", *words)


@pytest.mark.parametrize("line", ["sample NAN --n 2", "evaluate NAN --n 5", "evaluate NAN --bits 2"])
def test_a_network_of_nan_draws_no_black_pictures(refused, line):
    assert "conv_out.bias holds numbers that are not finite" in refused(*line.split())


def test_whatever_is_combined_there_is_no_traceback(untrained, run, tmp_path):
    """Options of `sample` at random: a picture and status 0, or one line, another status and no picture."""
    some = random.Random(0)
    choices = [
        "--sampler ancestral", "--sampler ddim", "--sampler dpm-solver", "--steps 1", "--steps 3", "--eta 0.5",
        "--guidance 3", "--guidance -1000", "--classifier GUIDE.safetensors", "--variance fixed-large",
        "--variance learned-range", "--label 2", "--label 11", "--seed 4294967295", "--gif", "--raw", "--n 3",
        "--out y.jpg", "--out x.txt", "--out y.npz", "--out y/", "--image OWN.png", "--from-step 3", "--from-step 21",
        "--mask OWN.png",
    ]  # fmt: skip
    seen = set()
    for _ in range(150):
        words = " ".join(some.sample(choices, some.randrange(5))).split()
        status, _, err = run("sample", *[in_folder(untrained, w) for w in (some.choice(["RUN", "PLAIN"]), *words)])
        written = [path.name for path in tmp_path.iterdir()]
        assert (written != []) == (status == 0), (words, written)
        if status:
            one_line(err)
        seen.add(status)
        for path in tmp_path.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert seen == {0, 1, 2}


DAMAGED = {
    "a name less": lambda rows: rows.pop("terms"),
    "a name more": lambda rows: rows.update(other=rows["prior"].clone()),
    "no rows of one": lambda rows: rows.update(prior=rows["prior"][:0]),
    "fewer columns": lambda rows: rows.update(terms=rows["terms"][:, 1:]),
    "a row more": lambda rows: rows.update({name: torch.cat([value, value]) for name, value in rows.items()}),
    "one number": lambda rows: rows.update(prior=torch.tensor(1.0)),
    "whole numbers": lambda rows: rows.update(terms=rows["terms"].long()),
    "nan": lambda rows: rows.update(terms=rows["terms"] * torch.nan),
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_of_terms_is_named(untrained, run, tmp_path, damage):
    line = ("evaluate", untrained / "RUN", "--bits", 2, "--terms", "terms.safetensors", "--device", "cpu")
    assert run(*line)[0] == 0
    rows, what = read_tensors(tmp_path / "terms.safetensors")
    damage(rows)
    write_tensors(tmp_path / "terms.safetensors", rows, what)
    assert "terms.safetensors is damaged" in one_line(run(*line)[2])


@pytest.mark.parametrize(
    "damage",
    [
        lambda weights, card: weights.pop("head.bias"),
        lambda weights, card: weights.update(other=torch.zeros(1)),
        lambda weights, card: weights.update({"head.bias": torch.full((10,), torch.nan)}),
        lambda weights, card: card.update(classes="ten"),
        lambda weights, card: card.update(classes=9),
        lambda weights, card: card.update(classifier={}),
        lambda weights, card: card.update(classifier=None),
    ],
)
def test_a_damaged_classifier_is_named(untrained, run, tmp_path, damage):
    weights, card = read_tensors(untrained / "GUIDE.safetensors")
    damage(weights, card)
    write_tensors(tmp_path / "guide.safetensors", weights, card)
    status, _, err = run("sample", untrained / "RUN", "--classifier", "guide.safetensors", "--n", 2)
    assert status == 1
    assert "guide.safetensors" in one_line(err)


# --- the library's doors --------------------------------------------------------------------------------

SCHEDULE = NoiseSchedule.from_betas(cosine_betas(20))
DIFFUSION = Diffusion(SCHEDULE, variance=fixed_small)
NETWORK = UNet(TINY.unet).eval()
X, Y, NOW = torch.zeros(2, 1, 28, 28), torch.tensor([3, 9]), torch.tensor([1, 20])
PIXELS = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
FEATURES = torch.randn(8, 3)
NAN = torch.full((8, 3), torch.nan)
COLOUR = torch.zeros(5, 3, 32, 32, dtype=torch.uint8)
DIGITS = ImageSet(PIXELS, Y)


def trained():
    """An untrained network as if opened, with labels."""
    return runs.Trained(TINY, TINY.diffusion, NETWORK)


def drawing_nan():
    """The same with a weight that is no number."""
    network = copy.deepcopy(NETWORK)
    network.conv_out.bias.data.fill_(torch.nan)
    return replace(trained(), model=network)


def judged(**other):
    what = {"images": X.repeat(3, 1, 1, 1), "labels": Y.repeat(3)} | other
    return measure.evaluate_images(*what.values(), measure.load_reference(), load("mnist-5k"), load("mnist-5k", "test"))


def coloured(images=COLOUR, labels=None):
    eye = extractors.Extractor("mean", 3, lambda images: images.float().mean(dim=(2, 3)))
    features = eye.of(some_cifar10().images)
    return measure.RealImages(eye, measure.moments_of(features), features).measure(images, labels)


DOORS = {
    "images of floats": (lambda: ImageSet(X, Y), "must be uint8"),
    "images without colour": (lambda: ImageSet(PIXELS[:, 0], Y), r"\(N, C, H, W\)"),
    "images of two colours": (lambda: ImageSet(PIXELS.expand(2, 2, 28, 28), Y), "C 1 or 3"),
    "no images": (lambda: ImageSet(PIXELS[:0], Y[:0]), r"not torch.uint8 of shape \(0, 1, 28, 28\)"),
    "images of numpy": (lambda: ImageSet(PIXELS.numpy(), Y), "not ndarray"),
    "labels of floats": (lambda: ImageSet(PIXELS, Y.float()), "must be an int64 tensor"),
    "labels in a column": (lambda: ImageSet(PIXELS, Y[:, None]), r"shape \(2,\)"),
    "one label for all": (lambda: ImageSet(PIXELS, torch.tensor(3)), r"shape \(2,\)"),
    "too few labels": (lambda: ImageSet(PIXELS, Y[:1]), r"shape \(2,\)"),
    "a negative label": (lambda: ImageSet(PIXELS, Y - 4), "from 0 on, not -1 to 5"),
    "label 10 of ten": (lambda: ImageSet(PIXELS, Y + 1).check_fits((1, 28, 28), 10), "from 0 to 9, not 4 to 10"),
    "digits for colours": (lambda: DIGITS.check_fits((3, 32, 32), 10), r"takes images of \(3, 32, 32\)"),
    "time -1": (lambda: SCHEDULE.at(-1), "from 0 to T=20"),
    "time T+1": (lambda: SCHEDULE.at(21), "from 0 to T=20"),
    "times below 0": (lambda: SCHEDULE.at(NOW - 2), "from 0 to T=20"),
    "times above T": (lambda: SCHEDULE.at(NOW + 1), "from 0 to T=20"),
    "half a time": (lambda: SCHEDULE.at(0.5), "whole numbers"),
    "times of floats": (lambda: SCHEDULE.at(NOW.float()), "whole numbers"),
    "times in a column": (lambda: SCHEDULE.at(NOW[:, None]), "one or"),
    "a time by name": (lambda: SCHEDULE.at("T"), "whole numbers"),
    "no steps": (lambda: replace(DIFFUSION, steps=0).timesteps, "between 1 and T=20"),
    "steps by halves": (lambda: replace(DIFFUSION, steps=2.5).timesteps, "between 1 and T=20, and whole"),
    "noise on pixels": (lambda: q_sample(PIXELS, X, SCHEDULE.at(3)), "must be floats"),
    "a loss of pixels": (lambda: losses.simple_loss(DIFFUSION, NETWORK, PIXELS, NOW, X), "must be floats"),
    "a loss at T+1": (lambda: losses.simple_loss(DIFFUSION, NETWORK, X, NOW + 1, X), "from 0 to T=20"),
    "a bound at 0": (lambda: losses.vlb_loss(DIFFUSION, NETWORK, X, NOW - 1, X), "from 0 to T=20"),
    "the network, labels in a column": (lambda: NETWORK(X, NOW, Y[:, None]), "one label an image"),
    "the network, one label": (lambda: NETWORK(X, NOW, Y[0]), "one label an image"),
    "the network, times in a column": (lambda: NETWORK(X, NOW[:, None]), "one time"),
    "the network, a plain time": (lambda: NETWORK(X, 3), r"one time an image, as times\(x_t, t\) makes them: int"),
    "guidance, a plain time": (lambda: classifier_free(NETWORK, Y, 2.0)(X, 3), "one time an image"),
    "the network, one time": (lambda: NETWORK(X, NOW[:1]), r"torch.float32 \(1, 1, H, W\)"),
    "the network, colours": (lambda: NETWORK(X.expand(2, 3, 28, 28), NOW), r"not torch.float32 \(2, 3, 28, 28\)"),
    "the network, pixels": (lambda: NETWORK(PIXELS, NOW), "must be torch.float32"),
    "the network, float64": (lambda: NETWORK(X.double(), NOW), "must be torch.float32"),
    "the network, labels of floats": (lambda: NETWORK(X, NOW, Y.float()), "whole numbers"),
    "half a step": (lambda: cosine_betas(2.5), "not T=2.5"),
    "no betas": (lambda: NoiseSchedule.from_betas(torch.zeros(0)), "one list of variances"),
    "a clip of nan": (lambda: replace(DIFFUSION, clip=torch.nan), "clip must be above 0"),
    "pixels twice": (lambda: to_model(to_model(PIXELS)), "must be uint8"),
    "a loss per t of pixels": (
        lambda: measure.loss_per_t(losses.simple_loss, DIFFUSION, NETWORK, PIXELS, [1]), "must be floats"),
    "a picture of nan": (lambda: runs.image_grid(X * torch.nan, 2), "the images"),
    "a picture of two colours": (lambda: runs.image_grid(X.expand(2, 2, 28, 28), 2), "C 1 or 3"),
    "guidance by nan": (lambda: classifier_free(NETWORK, Y, torch.nan), "a finite number, not nan"),
    "a step to labels in a column": (lambda: classifier_step(NETWORK, Y[:, None], 1.0), r"shape \(2,\)"),
    "a classifier guiding by inf": (
        lambda: classifier_guided(DIFFUSION, NETWORK, NETWORK, Y, torch.inf), "a finite number, not inf"),
    "draw by nan": (
        lambda: list(runs.draw(drawing_nan(), None, 2, 0)), "the images drawn"),
    "a picture of no columns": (lambda: runs.image_grid(X, 0), "columns must be a whole number from 1 on, not 0"),
    "a picture of half columns": (lambda: runs.image_grid(X, 1.5), "columns must be"),
    "a picture of no size": (lambda: runs.image_grid(X, 2, zoom=0), "zoom must be"),
    "a picture of overlaps": (lambda: runs.image_grid(X, 2, gap=-3), "gap must be a whole number from 0 on"),
    "an own image of another size": (
        lambda: list(runs.draw(trained(), None, 2, 0, runs.OwnImage(torch.zeros(1, 32, 32), 3))), r"\(N, 1, 28, 28\)"),
    "an own image of pixels": (
        lambda: list(runs.draw(trained(), None, 2, 0, runs.OwnImage(PIXELS[0], 3))), "must be floats"),
    "an own image and nothing to do": (
        lambda: list(runs.draw(trained(), None, 2, 0, runs.OwnImage(X[0]))), "or a mask: one of the two"),
    "an own image and both to do": (
        lambda: list(runs.draw(trained(), None, 2, 0, runs.OwnImage(X[0], 3, X[0, 0] > 0))), "one of the two"),
    "open on an abacus": (lambda: runs.open_run("mnist", "abacus"), "choose cuda, mps or cpu"),
    "draw none": (lambda: list(runs.draw(trained(), None, 0, 0)), "above 0"),
    "the bits of one image": (lambda: runs.bits_per_dim(trained(), 1, 0), "at least 2"),
    "a distance to nothing": (lambda: measure.frechet_distance(FEATURES, {}), "moments must be"),
    "noise of three colours": (
        lambda: list(sample(ancestral_step, DIFFUSION, NETWORK, torch.zeros(2, 3, 28, 28))), "1, H, W"),
    "ddim with eta 2": (lambda: ddim_step(DIFFUSION, NETWORK, X, 20, 0, eta=2), "eta must be between 0 and 1"),
    "guidance without labels": (lambda: classifier_free(UNet(PLAIN.unet), Y, 2.0), "without labels"),
    "guidance to label 10": (lambda: classifier_free(NETWORK, Y + 1, 2.0), "from 0 to 9"),
    "guidance, labels in a column": (lambda: classifier_free(NETWORK, Y[:, None], 2.0), r"shape \(2,\)"),
    "draw, label 10": (lambda: list(runs.draw(trained(), Y + 1, 2, 0)), "from 0 to 9"),
    "draw, too few labels": (lambda: list(runs.draw(trained(), Y, 3, 0)), r"shape \(3,\)"),
    "draw_many, labels in a column": (lambda: runs.draw_many(trained(), Y[:, None], 2, 0), r"shape \(2,\)"),
    "a classifier of other images": (
        lambda: next(train_classifier(Classifier(TINY.unet, 10), some_cifar10(), SCHEDULE, 20)), "takes images"),
    "a classifier of fewer classes": (
        lambda: next(train_classifier(Classifier(TINY.unet, 9), DIGITS, SCHEDULE, 20)), "from 0 to 8"),
    "the judge of digits, colours": (lambda: next(judges.train_judge(judges.Judge(), some_cifar10())), "takes images"),
    "the judge of colours, digits": (
        lambda: next(judges.train_cifar_judge(judges.CifarJudge(), DIGITS)), "takes images"),
    "judged, nan": (lambda: judged(images=torch.full((6, 1, 28, 28), torch.nan)), "the images: 4,704 of 4,704 numbers"),
    "judged, pixels": (lambda: judged(images=PIXELS.repeat(3, 1, 1, 1)), "must be floats"),
    "judged, colours": (lambda: judged(images=torch.zeros(6, 3, 32, 32)), r"\(N, 1, 28, 28\)"),
    "judged, labels in a column": (lambda: judged(labels=Y.repeat(3)[:, None]), r"shape \(6,\)"),
    "coloured, nan": (lambda: coloured(torch.full((5, 3, 32, 32), torch.nan)), "nan"),
    "coloured, digits": (lambda: coloured(torch.zeros(5, 1, 28, 28)), r"\(N, 3, 32, 32\)"),
    "coloured, four": (lambda: coloured(COLOUR[:4]), "at least 5"),
    "coloured, labels in a column": (lambda: coloured(labels=torch.zeros(5, 1, dtype=torch.int64)), r"shape \(5,\)"),
    "moments of nan": (lambda: measure.moments_of(NAN), "the features: 24 of 24"),
    "a distance of nan": (lambda: measure.frechet_distance(NAN, measure.moments_of(FEATURES)), "the features"),
    "a distance of one": (lambda: measure.frechet_distance(FEATURES[:1], measure.moments_of(FEATURES)), "at least 2"),
    "a distance to others": (lambda: measure.frechet_distance(FEATURES[:, :2], measure.moments_of(FEATURES)), "one d"),
    "a distance too far": (
        lambda: measure.frechet_distance(FEATURES.double() * 1e200, measure.moments_of(FEATURES)), "distance"),
    "a kernel of nan": (lambda: measure.kernel_distance(FEATURES, NAN), "the features"),
    "a kernel too far": (lambda: measure.kernel_distance(FEATURES * 1e30, FEATURES), "the kernel distance"),
    "precision of nan": (lambda: measure.precision_recall(NAN, FEATURES), "the features"),
    "precision of three": (lambda: measure.precision_recall(FEATURES[:3], FEATURES), "at least 4"),
    "spread of nan": (lambda: measure.class_spread(NAN, torch.arange(8)), "the features"),
    "spread of fewer classes": (lambda: measure.class_spread(FEATURES, torch.arange(7)), r"shape \(8,\)"),
    "nearest of nan": (lambda: measure.nearest_distance(X * torch.nan, X), "the images"),
    "nearest of none": (lambda: measure.nearest_distance(X[:0], X), r"\(0, 1, 28, 28\)"),
    "nearest of another size": (lambda: measure.nearest_distance(X, X[:, :, 1:]), r"\(N, 1, 28, 28\)"),
    "the bound of floats": (lambda: measure.bound(DIFFUSION, NETWORK, to_model(PIXELS)), "give uint8"),
    "the bound of one image": (lambda: measure.bound(DIFFUSION, NETWORK, PIXELS[0]), "give uint8"),
    "the bound by nan": (lambda: measure.bound(DIFFUSION, lambda x, t: x * torch.nan, PIXELS), "the bound"),
    "features of floats": (lambda: extractors.cifar10_judge(CPU).of(COLOUR.float()), "must be uint8"),
    "an unknown data set": (lambda: data.load("mnist-6k"), "unknown data set 'mnist-6k'"),
    "a preset by number": (lambda: preset(5), "unknown preset 5"),
    "an extractor by number": (lambda: extractors.get(5, CPU), "unknown extractor 5"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "message"), DOORS.values(), ids=DOORS.keys())
def test_what_may_not_enter_is_named(call, message):
    with pytest.raises(ValueError, match=message) as found:
        call()
    assert "\n" not in str(found.value)


# --- what is said is true ---------------------------------------------------------------------------------


def test_batches_share_no_noise():
    """Seeds 0 and 250 once shared a batch, for batches began at seed + first. The first one's stream is the seed's."""
    seeds = [batch_seed(seed, first) for seed in range(300) for first in range(0, 2000, 50)]
    assert len({seed % 2**32 for seed in seeds}) == len(seeds)  # a CPU's generator reads 32 bits
    assert [batch_seed(seed, 0) for seed in (0, 7)] == [0, 7]


def test_images_of_two_batches_are_apart(monkeypatch):
    monkeypatch.setattr("mini_ddpm.runs.drawing.BATCH", 2)
    early, late = (runs.draw_many(trained(), None, 4, seed) for seed in (0, 2))
    assert torch.equal(early[:2], list(runs.draw(trained(), None, 2, 0))[-1].x_t)
    assert not torch.equal(early[2:], late[:2])


@pytest.mark.parametrize(
    ("found", "title", "scale"),
    [
        ([2.0, 1.0], "L_vlb fell from 2 to 1 after 20 steps", "log"),
        ([1.0, 2.0], "L_vlb rose from 1 to 2 after 20 steps", "log"),
        ([1.0], "L_vlb is 1 after 10 steps", "log"),
        ([1.0, -1.0], "L_vlb fell from 1 to -1 after 20 steps", "linear"),
        ([1.0, 0.0], "L_vlb fell from 1 to 0 after 20 steps", "linear"),
    ],
)
def test_the_curve_says_what_the_loss_did(found, title, scale):
    (axes,) = loss_curve([10, 20][: len(found)], found, 1.0, "vlb").axes
    assert axes.get_title().startswith(title)
    assert (axes.get_yscale(), axes.get_ylabel()) == (scale, "L_vlb")
