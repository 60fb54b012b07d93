"""Apple's GPU on any machine: tensors that say they are there, and every operator looked up in torch's own table.

A `Mac` is not a GPU: it computes on the CPU. But it refuses what the real one refuses: an operator without an MPS
kernel, a float64 tensor, and tensors of two devices in one operator.
"""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchgen
import yaml
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from mini_ddpm import runs
from mini_ddpm.classifier import Classifier, accuracy_per_t, train_classifier
from mini_ddpm.data import load, some_cifar10, to_model
from mini_ddpm.measure import extractors, loss_per_t
from mini_ddpm.measure.colour import save_cifar_judge
from mini_ddpm.measure.judges import CifarJudge, train_cifar_judge
from mini_ddpm.runs.presets import SampleConfig, preset
from mini_ddpm.runs.trained import Trained
from mini_ddpm.training import place
from mini_ddpm.unet import UNet, UNetConfig

CPU, MPS = torch.device("cpu"), torch.device("mps", 0)

# --- the table -----------------------------------------------------------------------------------------

NATIVE = Path(torchgen.__file__).parent / "packaged/ATen/native/native_functions.yaml"
ENTRIES = yaml.load(NATIVE.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
TABLE = {entry["func"].split("(")[0]: entry for entry in ENTRIES}
CHOSEN_BY_DEVICE = {"convolution": "_mps_convolution", "convolution_backward": "mps_convolution_backward"}


def kernels(name):
    """The dispatch keys for which torch has a kernel of this operator."""
    entry = TABLE[CHOSEN_BY_DEVICE.get(name, name)]
    if "structured_delegate" in entry:
        return kernels(entry["structured_delegate"])
    return {key.strip() for keys in entry.get("dispatch", ["CompositeImplicitAutograd"]) for key in keys.split(",")}


# --- the machine ---------------------------------------------------------------------------------------


class OnMPS(torch.Tensor):
    """A tensor on the imagined device, its numbers in `held`. Inside torch it counts as one without numbers."""

    @staticmethod
    def __new__(cls, held):
        layout = {"strides": held.stride(), "storage_offset": held.storage_offset(), "dtype": held.dtype}
        wrapper = torch.Tensor._make_wrapper_subclass(cls, held.shape, **layout, device="meta")
        wrapper.held = held
        return wrapper

    device = property(lambda self: MPS)
    is_meta = property(lambda self: False)

    def tolist(self):
        return self.cpu().tolist()

    def __torch_dispatch__(self, *args, **kwargs):
        raise AssertionError("used outside of its Mac")


class Parts(TorchDispatchMode):
    """Checks every operator that an operator made of others calls."""

    def __init__(self, seen, of=""):
        super().__init__()
        self.seen, self.of = seen, of

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return self.run(func, args, kwargs or {})

    def run(self, func, args, kwargs):
        name = func._schema.name.removeprefix("aten::") + ("." + func._schema.overload_name).rstrip(".")
        self.seen.add(name)
        found = kernels(name)
        composite = [key for key in found if key.startswith("Composite")]
        assert composite or "MPS" in found, f"aten::{name} has no kernel for MPS, only for {', '.join(sorted(found))}"
        if "MPS" in found or name == self.of:
            return func(*args, **kwargs)
        with Parts(self.seen, name):
            return func._op_dk(getattr(torch._C.DispatchKey, composite[0]), *args, **kwargs)


class Mac(Parts):
    """While it is on, tensors can live on MPS. `seen` has the operators that were called there."""

    def __init__(self):
        super().__init__(set())

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        there = [x for x in tensors if isinstance(x, OnMPS)]
        asked = kwargs.get("device")
        if not there and (asked is None or asked.type == "cpu"):
            return func(*args, **kwargs)
        if there and any(x.dim() for x in tensors if not isinstance(x, OnMPS)):
            assert self.crosses(func.overloadpacket.__name__, args[0]), f"{func} has tensors of two devices"
        args, kwargs = tree_map_only(OnMPS, lambda x: x.held, (args, kwargs))
        kwargs = kwargs if asked is None else {**kwargs, "device": CPU}
        out = self.run(func, args, kwargs)
        if asked is not None and asked.type == "cpu":
            return out
        return tree_map_only(torch.Tensor, lambda x: self.wrapped(x, there, func), out)

    @staticmethod
    def crosses(name, first):
        """Whether an operator may have tensors of both devices: copying, and indices that are here."""
        return name == "copy_" or (name in ("index", "index_put_", "_index_put_impl_") and isinstance(first, OnMPS))

    def wrapped(self, out, there, func):
        assert out.dtype is not torch.float64, f"{func} makes a float64 tensor, which MPS has not"
        return next((x for x in there if x.held is out), OnMPS(out))


# --- what the package does there -----------------------------------------------------------------------

PLAIN = replace(preset("tiny"), T=20, sampling=SampleConfig("ancestral", steps=3, guidance=1.5))
UNET = UNetConfig(
    image_size=32,
    base_channels=8,
    channel_mults=(1, 2),
    blocks=1,
    attention=(4,),
    patch_size=4,
    groups=4,
    dropout=0.1,
    classes=10,
    learned_variance=True,
    fourier=(3,),
    heads=2,
)
LEARNED = replace(PLAIN, data="cifar10", unet=UNET, variance="learned-range", parameterization="eps")
ADM = replace(LEARNED, unet=replace(UNET, head_channels=4, block_resample=True, adaptive_norm=True, rescale=True))


@pytest.fixture
def mac(monkeypatch):
    """A Mac that is on; the two data sets are at hand."""
    monkeypatch.setattr("mini_ddpm.runs.results.load", lambda name, split="train": images(name, split))
    for room in ("folder", "results"):
        monkeypatch.setattr(f"mini_ddpm.runs.{room}.images_of", lambda config, split: images(config.data, split))
    with Mac() as mac:
        yield mac


def images(name, split="train"):
    return replace(some_cifar10(), flip=True) if name == "cifar10" else load(name, split)


def trained(config, guide=False):
    """An untrained network on the Mac, and what could guide it."""
    classifier = Classifier(config.unet, 10).to(MPS).eval().requires_grad_(False) if guide else None
    model = place(UNet(config.unet), MPS).eval().requires_grad_(False)
    return Trained(config, config.diffusion.to(MPS), model, classifier)


def test_what_the_real_one_refuses_is_refused(mac):
    x = torch.ones(3, device=MPS)
    assert (x + 1).tolist() == [2, 2, 2]
    with pytest.raises(AssertionError, match="special_log_ndtr has no kernel for MPS"):
        torch.special.log_ndtr(x)
    with pytest.raises(AssertionError, match="_linalg_eigh has no kernel for MPS"):
        torch.linalg.eigh(torch.eye(3, device=MPS))
    for make in (lambda: x.double(), lambda: torch.zeros(2, dtype=torch.float64).to(MPS)):
        with pytest.raises(AssertionError, match="makes a float64 tensor"):
            make()
    for mix in (lambda: x + torch.ones(3), lambda: torch.ones(3)[torch.zeros(1, dtype=torch.int64, device=MPS)]):
        with pytest.raises(AssertionError, match="tensors of two devices"):
            mix()
    assert x[torch.tensor([0])].tolist() == [1]
    assert torch.special.log_ndtr(x.cpu()).device == CPU


def test_a_mac_is_left_to_choose_its_gpu(mac, monkeypatch):
    assert runs.pick_device(None) == CPU  # as every test is
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert runs.pick_device(None).type == "mps"
    assert " with its GPU, " in runs.machine(MPS)


@pytest.mark.parametrize(
    ("config", "loss", "times"),
    [
        (PLAIN, "simple", "uniform"),
        (LEARNED, "vlb", "importance"),
        (LEARNED, "hybrid", "uniform"),
        (ADM, "hybrid", "importance"),
    ],
    ids=["plain", "learned, bound", "learned, hybrid", "adm"],
)
def test_training(mac, config, loss, times, tmp_path):
    """From an empty folder to its last step, saved on the way and gone on with."""
    config = replace(config, loss=loss, times=times, training=replace(config.training, steps=4))
    run = runs.start(config, tmp_path, MPS)
    assert runs.fit(run, until=2)
    again = runs.resume(tmp_path, MPS)
    assert runs.fit(again)
    weights = list(again.state.model.parameters())
    assert all(isinstance(weight, OnMPS) and weight.cpu().isfinite().all() for weight in weights)
    assert {"_fused_adamw_", "convolution_backward", "_foreach_lerp_.Scalar"} <= mac.seen


@pytest.mark.parametrize("sampler", ["ancestral", "ddim"])
@pytest.mark.parametrize("guide", [False, True], ids=["", "classifier"])
@pytest.mark.parametrize("config", [PLAIN, LEARNED], ids=["plain", "learned"])
def test_drawing(mac, config, guide, sampler):
    sampling = replace(config.sampling, sampler=sampler, guidance=2.0, eta=0.5 if sampler == "ddim" else 0.0)
    network = trained(replace(config, sampling=sampling), guide)
    drawn = runs.draw_many(network, runs.default_labels(network, 2), 2, seed=0)
    assert drawn.isfinite().all()
    assert "randn_like.generator" in mac.seen


@pytest.mark.parametrize("parameterization", ["eps", "x_0", "v"])
@pytest.mark.parametrize("config", [PLAIN, LEARNED], ids=["plain", "learned"])
def test_the_bound(mac, config, parameterization):
    network = trained(replace(config, parameterization=parameterization))
    assert math.isfinite(runs.bits_per_dim(network, 2, seed=0)["bits_per_dim"])
    x_0 = to_model(images(config.data).images[:2].to(MPS))
    assert loss_per_t(config.loss_fn, network.diffusion, network.model, x_0, [1, 10, 20]).cpu().isfinite().all()


def test_a_classifier_of_noisy_images(mac):
    schedule, data = LEARNED.diffusion.schedule.to(MPS), images("cifar10").to(MPS)
    classifier = Classifier(UNET, 10).to(MPS)
    for step in train_classifier(classifier, data, schedule, steps=11, batch_size=4):
        assert math.isfinite(float(step.loss))
    assert 0 <= accuracy_per_t(classifier, schedule, data, [10])[0] <= 1


def test_the_judge_of_cifar10(mac, tmp_path):
    data, judge = images("cifar10").to(MPS), CifarJudge()
    for step in train_cifar_judge(judge, data, epochs=1, batch_size=50):
        assert math.isfinite(float(step.loss))
    assert save_cifar_judge(judge, data, data, tmp_path / "judge.safetensors") > 0


def test_measuring_colour_images(mac):
    """Features are computed there; distances between them are float64, and stay here."""
    figures = runs.evaluate(trained(LEARNED), 5, seed=0)
    assert all(math.isfinite(value) for name, value in figures.items() if name.startswith(("FD", "KD")))
    features = extractors.get("efficientnet-lite0", MPS).of(images("cifar10").images[:2])
    assert features.isfinite().all()


def test_measuring_digits(mac):
    assert math.isfinite(runs.evaluate(trained(PLAIN), 20, seed=0)["fd_judge"])
