"""The classifiers that come with the package: how the judges are made, and those that guide; their files."""

from collections.abc import Iterator
from pathlib import Path

import torch
from tqdm.auto import tqdm

from mini_ddpm import data
from mini_ddpm.classifier import Classifier, accuracy_per_t, train_classifier
from mini_ddpm.files import CheckpointError, check_fit, read_tensors, write_tensors
from mini_ddpm.measure import colour, digits
from mini_ddpm.measure.judges import CifarJudge, Judge, JudgeStep, train_cifar_judge, train_judge
from mini_ddpm.runs.presets import RunConfig, images_of
from mini_ddpm.training import DivergedError


def make_digits_judge(epochs: int, seed: int, path: Path) -> str:
    """Train the judge of digits on full MNIST, on the CPU, and write it to `path`; a line that says how good it is."""
    train, test = data.load("mnist", "train"), data.load("mnist", "test")
    torch.manual_seed(seed)
    judge = Judge()
    _follow(train_judge(judge, train, epochs))
    reference = digits.refer(judge, train, test)
    digits.save_reference(reference, path)
    return f"test accuracy {reference.accuracy:.2%}, FD of real images {reference.fd_test:.4f}"


def make_cifar10_judge(epochs: int, seed: int, path: Path, device: torch.device) -> str:
    """Train the judge of CIFAR-10 and write it to `path`; a line that says how good it is."""
    train, test = data.load("cifar10", "train"), data.load("cifar10", "test")
    torch.manual_seed(seed)
    judge = CifarJudge()
    _follow(train_cifar_judge(judge, train.to(device), epochs))
    return f"test accuracy {colour.save_cifar_judge(judge.cpu(), train, test, path):.2%}"


def _follow(steps: Iterator[JudgeStep]) -> None:
    """Train to the end behind a progress bar."""
    with tqdm(desc="judge", unit="step") as bar:
        for step in steps:
            bar.total = step.steps
            bar.update()


def make_classifier(
    config: RunConfig, steps: int, noised: bool, seed: int, path: Path, device: torch.device
) -> dict[int, float]:
    """Train a classifier that guides models of `config`, and write it to `path`.

    Returns:
        Its accuracy on test images, in 0..1, at eleven times t from 0 to T.

    Raises:
        DivergedError: the loss is not a number.
    """
    train, test = (images_of(config, part).to(device) for part in ("train", "test"))
    torch.manual_seed(seed)
    schedule = config.diffusion.schedule.to(device)
    guide = Classifier(config.unet, int(train.labels.max()) + 1).to(device)
    for step in tqdm(train_classifier(guide, train, schedule, steps, noised=noised), total=steps, unit="step"):
        if not torch.isfinite(step.loss):
            raise DivergedError(f"the loss became {float(step.loss)} at step {step.step}")
    save_classifier(path, guide, config, noised)
    times = [schedule.T * k // 10 for k in range(11)]
    return dict(zip(times, accuracy_per_t(guide, schedule, test, times), strict=True))


def save_classifier(path: Path, classifier: Classifier, config: RunConfig, noised: bool) -> None:
    """Write weights in half precision, and the configuration whose process and images it was trained for."""
    weights = {name: value.half() for name, value in classifier.state_dict().items()}
    write_tensors(
        path, weights, {"classifier": config.to_json(), "classes": classifier.head.out_features, "noised": noised}
    )


def load_classifier(path: Path, config: RunConfig, device: torch.device) -> Classifier:
    """Read a classifier to guide a model of `config`.

    Raises:
        CheckpointError: the file is missing or damaged.
        ValueError: not a classifier, one of clean images, or one of another process or image size.
    """
    weights, card = read_tensors(path)
    if not {"classifier", "classes", "noised"} <= card.keys():
        raise ValueError(f"{path} is not a noise-aware classifier: make one with mini-ddpm train-classifier")
    if not card["noised"]:
        raise ValueError(f"{path} was trained on clean images: it can't guide, for it has never seen a noisy one")
    try:
        own = RunConfig.from_json(card["classifier"])
        with torch.device("meta"):  # without memory: a wrong config may describe a network of any size
            classifier = Classifier(own.unet, card["classes"])
    except (RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}; make it again with train-classifier") from None
    check_fit(path, weights, classifier.state_dict())
    classifier.load_state_dict({name: value.float() for name, value in weights.items()}, assign=True)
    for name, mine, theirs in (
        ("schedule", own.schedule, config.schedule),
        ("T", own.T, config.T),
        ("the classes", own.names, config.names),
        ("image_size", own.unet.size, config.unet.size),
        ("in_channels", own.unet.in_channels, config.unet.in_channels),
    ):
        if mine != theirs:
            raise ValueError(f"{path} was trained for {name} {mine}, but the model has {theirs}")
    return classifier.to(device).eval().requires_grad_(False)
