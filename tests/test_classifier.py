from dataclasses import replace

import pytest
import torch

from mini_ddpm.classifier import (
    AttentionPool,
    Classifier,
    accuracy_per_t,
    train_classifier,
)
from mini_ddpm.data import ImageSet, to_model
from mini_ddpm.files import CheckpointError, write_tensors
from mini_ddpm.runs.classifiers import load_classifier, save_classifier
from mini_ddpm.runs.presets import preset

CPU = torch.device("cpu")
TINY = preset("tiny")


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    return Classifier(TINY.unet, 10)


def test_logits_depend_on_image_and_time_only_for_their_own_row(classifier):
    for parameter in classifier.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x, t = torch.randn(3, 1, 28, 28), torch.tensor([0, 50, 1000])
    with torch.no_grad():
        out = classifier(x, t)
        assert out.shape == (3, 10)
        torch.testing.assert_close(classifier(x[1:2], t[1:2]), out[1:2], rtol=1e-3, atol=1e-3)
        assert not torch.allclose(classifier(x, t.flip(0)), out)


def test_attention_pooling_of_equal_pixels_is_of_one_pixel():
    torch.manual_seed(0)
    pool = AttentionPool(4, 9)
    torch.nn.init.zeros_(pool.position)
    h = torch.randn(2, 4, 1, 1).expand(2, 4, 3, 3)
    value = pool.key_value(h[:, :, 0, 0])[:, 4:]
    torch.testing.assert_close(pool(h), pool.out(value))
    torch.nn.init.normal_(pool.position)
    h = torch.randn(2, 4, 3, 3)
    assert not torch.allclose(pool(h), pool(h.flip(3)))


def two_kinds(n=64):
    """Black images and white ones: a task that a tiny network learns in seconds."""
    labels = torch.arange(n) % 2
    return ImageSet((255 * labels[:, None, None, None]).expand(n, 1, 28, 28).to(torch.uint8), labels)


def test_training_teaches_it_every_noise_level_that_can_be_read():
    torch.manual_seed(0)
    data, schedule = two_kinds(), TINY.diffusion.schedule
    small = Classifier(TINY.unet, 2)
    steps = list(train_classifier(small, data, schedule, 60, batch_size=16))
    assert [step.step for step in steps] == list(range(1, 61))
    found = accuracy_per_t(small, schedule, data, [0, 300, 600, 1000])
    assert min(found[:3]) > 0.95
    assert found[3] < 0.8  # alpha_bar_T is 0: guessing
    assert not any(p.requires_grad for p in small.parameters())


def test_a_clean_classifier_sees_clean_images_only(monkeypatch):
    seen = []
    small = Classifier(TINY.unet, 2)
    small.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    data = two_kinds()
    for noised in (False, True):
        list(train_classifier(small.train().requires_grad_(True), data, TINY.diffusion.schedule, 3, 8, noised=noised))
    clean, noisy = seen[:3], seen[3:]
    assert all(int(t.max()) == 0 and set(x.unique().tolist()) <= {-1.0, 1.0} for x, t in clean)
    assert all(int(t.max()) > 0 and len(x.unique()) > 2 for x, t in noisy)
    assert to_model(data.images).unique().tolist() == [-1.0, 1.0]


def test_saved_and_loaded_it_says_the_same(classifier, tmp_path):
    save_classifier(tmp_path / "c.safetensors", classifier, TINY, noised=True)
    again = load_classifier(tmp_path / "c.safetensors", TINY, CPU)
    x, t = torch.randn(2, 1, 28, 28), torch.tensor([0, 500])
    with torch.no_grad():
        torch.testing.assert_close(again(x, t), classifier.eval()(x, t), rtol=1e-2, atol=1e-2)  # half precision


def test_what_cannot_guide_is_refused(classifier, tmp_path):
    path = tmp_path / "c.safetensors"
    save_classifier(path, classifier, TINY, noised=False)
    with pytest.raises(ValueError, match="trained on clean images: it can't guide"):
        load_classifier(path, TINY, CPU)
    save_classifier(path, classifier, TINY, noised=True)
    for change, message in (
        ({"T": 4000}, "T 1000, but the model has 4000"),
        ({"schedule": "linear"}, "schedule cosine, but the model has linear"),
        ({"unet": preset("cifar10-ddpm").unet}, r"image_size \(28, 28\), but the model has \(32, 32\)"),
    ):
        with pytest.raises(ValueError, match=message):
            load_classifier(path, replace(TINY, **change), CPU)
    write_tensors(path, {"x": torch.zeros(1)}, {})
    with pytest.raises(ValueError, match="not a noise-aware classifier"):
        load_classifier(path, TINY, CPU)
    with pytest.raises(CheckpointError, match="does not exist"):
        load_classifier(tmp_path / "nothing", TINY, CPU)
