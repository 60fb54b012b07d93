"""Notebook 06: what it draws, each figure with its alt text; how it looks into a network."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mini_ddpm.contracts import Network, classes_of
from mini_ddpm.course import sheets
from mini_ddpm.course.architecture import Unit, diagram
from mini_ddpm.course.architecture import draw_shares as draw_shares
from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT, show
from mini_ddpm.course.seeds import TIMES, Runs, noisy
from mini_ddpm.data import load, to_model
from mini_ddpm.diffusion import q_sample
from mini_ddpm.guidance import classifier_free
from mini_ddpm.measure import judge_features, load_reference
from mini_ddpm.runs import Trained
from mini_ddpm.sampling import ddim_step, sample
from mini_ddpm.schedules import NoiseSchedule
from mini_ddpm.unet import UNet, UNetConfig

NAMES = ["conv_in", "down_1", "shrink", "down_2", "middle_1", "middle_2"]
NAMES += ["up_1", "up_2", "grow", "up_3", "up_4", "conv_out"]  # as the page calls the parts of the shipped network


def same(name: str, ours: Tensor, package: Tensor) -> None:
    """Say that the page and the package give the same numbers.

    Raises:
        AssertionError: another shape, or numbers that differ by more than a ten-thousandth of the largest.
    """
    assert ours.shape == package.shape, f"{name}: {tuple(ours.shape)}, not {tuple(package.shape)}"
    gap = (ours - package).abs().max().item()
    assert gap < 1e-4 * package.abs().max().item(), f"{name}: off by up to {gap:.2g}"
    print(f"{name}: same shape {tuple(ours.shape)}, same numbers")


def guesses(network: Callable[..., Tensor], a: Tensor, x_t: Tensor, t: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The image and the noise in x_t (B, 1, H, W), as a network guesses them that answers with the velocity."""
    v = network(x_t, t, y)
    return a.sqrt() * x_t - (1 - a).sqrt() * v, (1 - a).sqrt() * x_t + a.sqrt() * v


def draw_guesses(network: nn.Module, schedule: NoiseSchedule, image: Tensor, y: Tensor, times: Sequence[int]) -> None:
    """One digit (1, 1, 28, 28), uint8, at several times: x_t, and what the network sees in it, and what is in it."""
    figure, panels = plt.subplots(len(times), 5, figsize=(10, 2.1 * len(times)))
    x_0, eps = to_model(image), torch.randn(image.shape)
    for row, t in zip(panels, times, strict=True):
        a = schedule.at(t).float()
        x_t = q_sample(x_0, eps, a)
        with torch.no_grad():
            guess, noise = guesses(network, a, x_t, torch.tensor([t]), y)
        for axes, picture, span in zip(row, (x_t, noise, noise - eps, guess, x_0), (2, 2, 2, 1, 1), strict=True):
            axes.imshow(picture[0, 0].numpy(), cmap="gray", vmin=-span, vmax=span)
            axes.set(xticks=[], yticks=[])
        row[0].set_ylabel(f"t = {t}", rotation=0, ha="right", va="center")
        errors = (float((one - other).square().mean()) for one, other in ((noise, eps), (guess, x_0)))
        print("t = {}: squared error of the noise {:.2f}, of the image {:.2f}".format(t, *errors))
    for axes, title in zip(
        panels[0], ("given: $x_t$", "guessed noise", "off by", "guessed image", "image"), strict=True
    ):
        axes.set_title(title)
    show(
        figure,
        "Two rows of five pictures. At t = 300 a 5 shows through the noise and is guessed well. At t = 800 there is "
        "noise alone to be seen, and the guessed image is a blurred 5 of another shape. What the noise is off by is an "
        "even grey, but for faint strokes of a 5.",
    )


def table(parts: Sequence[Unit]) -> None:
    """The parts of the shipped network under the page's names, with what they put out and what is joined to it."""
    names = dict(zip([part.name for part in parts], NAMES, strict=True))
    print("part       channels  side   joined to what comes in")
    for part in parts:
        channels, side, _ = part.shape
        print(f"{names[part.name]:10} {channels:8}  {side:4}   {names.get(part.skip_from or '', '')}".rstrip())


def draw_network(parts: list[Unit]) -> None:
    """The shipped network, part by part."""
    show(
        diagram(parts, "Down, middle, up: the shipped digit network, and its skip connections", NAMES),
        "Twelve bars: two of side 14, six of side 7, four of side 14. Four arrows lead from parts on the way down to "
        "parts on the way up, the outermost from conv_in to up_4.",
    )


def paper_network() -> UNet:
    """DDPM's network for CIFAR-10, with weights drawn at random: a fresh one's zeros would hide its connections."""
    paper = UNet(UNetConfig())
    for weight in paper.parameters():
        nn.init.normal_(weight, std=0.02)
    return paper


def draw_paper_network(parts: list[Unit]) -> None:
    """DDPM's network for CIFAR-10, part by part."""
    show(
        diagram(parts, "The CIFAR-10 network of DDPM (appendix B)"),
        "Bars of side 32, 16, 8 and 4, down and up again; twelve arrows lead across. The blocks at 16 have attention, "
        "and there is one more attention in the middle.",
    )


def draw_clocks(vectors: Mapping[int, Tensor]) -> None:
    """The hands of all clocks at pairs of times, (32,) each; a hand that hardly moves within a pair is grey."""
    times = list(vectors)
    k = len(vectors[times[0]]) // 2
    figure, panels = plt.subplots(len(times), 1, figsize=(10, 3.6))
    for row, (axes, t) in enumerate(zip(panels, times, strict=True)):
        hands, others = (vectors[one].reshape(2, k) for one in (t, times[row ^ 1]))
        for j in range(k):
            moves = float((hands[:, j] * others[:, j]).sum()) < np.cos(np.radians(15))
            axes.add_patch(plt.Circle((2.4 * j, 0), 1, facecolor="white", edgecolor=OTHER, linewidth=0.8))
            tip = 2.4 * j + 0.9 * hands[0, j], 0.9 * hands[1, j]
            axes.plot((2.4 * j, tip[0]), (0, tip[1]), color=NOISY if moves else OTHER, linewidth=2.5 if moves else 1.5)
        axes.set(xlim=(-1.3, 2.4 * k - 1.1), ylim=(-1.15, 1.15), aspect="equal", xticks=[], yticks=[])
        axes.set_ylabel(f"t = {t}", rotation=0, ha="right", va="center")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
    panels[-1].set_xlabel("clocks, from the fastest to the slowest")
    figure.suptitle("Blue: moved by more than 15 degrees between the two times of the pair", fontsize=11)
    show(
        figure,
        "Four rows of sixteen clock faces. Between t = 3 and 6 the hands of the four fastest clocks move; between 300 "
        "and 600 those of all but the third and the slowest four.",
    )


def draw_bands(vectors: Tensor) -> None:
    """The vectors (T, 32) of all times as a picture, and how similar two are over the distance of their times."""
    T, size = vectors.shape
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), width_ratios=(3, 2))
    mesh = left.imshow(vectors.T, aspect="auto", cmap="RdBu", extent=(1, T, size + 0.5, 0.5), vmin=-1, vmax=1)
    figure.colorbar(mesh, ax=left, label="number", location="left", shrink=0.8, ticks=(-1, 0, 1))
    left.text(0.97 * T, 14.7, "sines of the slow clocks: near 0", ha="right", va="center", fontsize=9)
    left.text(0.97 * T, 30.7, "cosines of the slow clocks: near 1", ha="right", va="center", color="white", fontsize=9)
    left.axhline(size / 2 + 0.5, color=RESULT, linewidth=1)
    left.set(xlabel="t", ylabel="place in the vector", title="Bands: clocks that have hardly moved")
    left.grid(visible=False)
    near = (vectors @ vectors[0] / (size / 2)).numpy()  # with t = 1
    right.plot(np.arange(T), near, color=RESULT)
    right.set(
        xlabel="distance of two times", ylabel="similarity", title="Near times: similar vectors", ylim=(-0.2, 1.05)
    )
    show(
        figure,
        "Left: stripes that grow wider downwards, in an upper half of sines and a lower half of cosines; each half "
        "ends in a plain band, the upper one white, the lower one dark blue. Right: a ragged curve falls steeply from "
        "1 and from 150 on swings between -0.1 and 0.7.",
    )


def draw_runs(runs: Mapping[str, Runs]) -> None:
    """Left: losses over the steps, a band from least to most of the seeds. Right: what is left at each t."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), width_ratios=(1.3, 1))
    looks = ((RESULT, "-"), (MODEL, "-"), (OTHER, "-"), (NOISY, "--"), (IMAGE, "-."), (NOISE, ":"))
    for (name, run), (colour, line) in zip(runs.items(), looks, strict=False):
        window = max(1, run.losses.shape[1] // 10)
        smooth = np.stack([np.convolve(one, np.ones(window) / window, "valid") for one in run.losses])
        at = np.arange(smooth.shape[1]) + window // 2
        for axes, x, y in ((left, at, smooth), (right, TIMES, run.at_times)):
            axes.fill_between(x, y.min(0), y.max(0), color=colour, alpha=0.25, linewidth=0)
            axes.plot(x, y.mean(0), line, color=colour, linewidth=2, label=name)
    left.set(yscale="log", xlabel="training step", ylabel=r"$L_{\mathrm{simple}}$, running mean")
    left.set_title("In training: one skip is nearly as good as four")
    right.plot(TIMES, np.zeros(len(TIMES)), "k|", clip_on=False)  # where it was measured
    right.set(xscale="log", xlabel="t", ylabel="squared error of the noise", ylim=(0, None))
    right.set_title("The input added helps at large t alone")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    show(
        figure,
        "Left: with all skips, the input added or not, and with the last one alone the loss falls below 0.1; with none "
        "it stays above, less far in the wide network; with none and the input added it begins at 0.2 and hardly "
        "falls. Right: all errors fall with t; without skips they are higher by much the same amount at every t; with "
        "none and the input added the error is the largest by far up to 200, and among the least from 500 on.",
    )


# --- looking into a network -------------------------------------------------------------------------------


def without_norms(network: nn.Module) -> nn.Module:
    """A copy whose norms do nothing: a norm takes a mean over the image, and so sees a little of everything."""
    plain = copy.deepcopy(network)
    for module in plain.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.GroupNorm):
                setattr(module, name, nn.Identity())
    return plain


def side(field: Tensor) -> int:
    """How many pixels a side of a map (H, W) are not 0."""
    rows = field.sum(1).nonzero()
    return int(rows.max() - rows.min()) + 1


def influence(
    network: nn.Module, schedule: NoiseSchedule, t: int, told: bool = True, of: str = "image", n: int = 100
) -> tuple[Tensor, Tensor, float]:
    """How much each pixel of x_t counts for the middle pixel of the guessed image, or noise.

    Shares of the squared slopes, and of the plain ones: (28, 28) each, the sum is 1, each of n digits counts alike. And
    the slope's length, a mean over them. The network guesses the velocity; it is `told` the label, or that it has none.
    """
    digits = load("mnist-5k", "test")
    x_t = noisy(digits.images[:n], schedule, t).requires_grad_()
    a = schedule.at(t).float()
    y = digits.labels[:n] if told else torch.full((len(x_t),), classes_of(network))
    image, noise = guesses(network, a, x_t, torch.full((len(x_t),), t), y)
    (slope,) = torch.autograd.grad((image if of == "image" else noise)[:, 0, 14, 14].sum(), x_t)
    squares, plain = ((one / one.sum((1, 2, 3), keepdim=True)).mean((0, 1)) for one in (slope.square(), slope.abs()))
    return squares, plain, float(slope.square().sum((1, 2, 3)).sqrt().mean())


def draw_fields(sides: Mapping[str, int], influences: Mapping[int, Tensor]) -> None:
    """Left: the sides of the fields, part by part. Right: what share counts within so many pixels of the middle."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), width_ratios=(1.3, 1))
    left.plot(list(sides), list(sides.values()), "o-", color=RESULT)
    for k, pixels in enumerate(sides.values()):
        left.annotate(str(pixels), (k, pixels), (0, 6), textcoords="offset points", ha="right", fontsize=8)
    left.axhline(28, color=IMAGE, linestyle="--", label="side of a digit")
    left.set(ylabel="pixels a side", title="What can reach a number: more than the digit", ylim=(0, 135))
    left.tick_params(axis="x", rotation=60)
    left.legend(loc="upper left")
    for (t, share), line in zip(influences.items(), ("-", "--", ":"), strict=False):
        inside = [float(share[14 - r : 15 + r, 14 - r : 15 + r].sum()) for r in range(14)]
        right.plot(range(14), inside, line, color=MODEL, linewidth=2, label=f"t = {t}")
    for r in (3, 8):  # 7x7 and 17x17
        right.axvline(r, color=OTHER, linewidth=0.8)
    right.set(xlabel="within so many pixels", ylabel="share of the squared slopes", ylim=(0, 1.02))
    right.set_title("What counts: with more noise, less this one pixel")
    right.legend(loc="lower right")
    show(
        figure,
        "Left: the field grows from 6 pixels at conv_in over 18 after shrink to 66 in the middle and 122 at the end; a "
        "line at 28 is crossed at down_2. Right, of squared slopes: at t = 20 one pixel has most, at t = 900 a tenth; "
        "at 8 pixels, the second of two thin lines, the three curves meet above 0.95.",
    )


def draw_digits(x_0: Tensor) -> None:
    """A row of ten drawn digits (10, 1, 28, 28)."""
    sheets.draw_digits({"drawn": x_0}, "A row of ten drawn digits, white on black, the labels 0 to 9 in their order.")


def draw_with(network: Network, shipped: Trained, y: Tensor, side: int = 28, steps: int = 20) -> Tensor:
    """Images of the labels y (N,), drawn by a network that has the shipped one's weights: (N, 1, side, side)."""
    model = classifier_free(network, y, shipped.config.sampling.guidance)
    chain = replace(shipped.diffusion, steps=steps)
    *_, last = sample(ddim_step, chain, model, torch.randn(len(y), 1, side, side))
    return last.x_t.clamp(-1, 1)


def stroke_width(images: Tensor) -> float:
    """How wide strokes are, in pixels: twice the white pixels over the pairs of a white one beside a black one.

    Of a piece w wide and L long that is wL / (w + L): short pieces are measured too thin.
    """
    white = images > 0
    pairs = (white[..., 1:] != white[..., :-1]).sum() + (white[..., 1:, :] != white[..., :-1, :]).sum()
    return float(2 * white.sum() / pairs)


def share_read(images: Tensor, y: Tensor) -> float:
    """The share of images that the judge reads as y (N,): small ones on a black ground, of large ones the middle."""
    edge = (28 - images.shape[-1]) // 2
    _, read = judge_features(load_reference().judge, F.pad(images, [edge] * 4, value=-1.0))
    return float((read == y).float().mean())


def draw_sizes(drawn: Mapping[int, Tensor], y: Tensor) -> None:
    """A row for each size, as many images as fit, each under its label; a pixel is as large in all of them."""
    sides, gap = list(drawn), 4
    width = 3 * (sides[-1] + gap)
    figure, panels = plt.subplots(len(sides), 1, figsize=(9, 8.4), height_ratios=[side + 12 for side in sides])
    for axes, (side, images) in zip(panels, drawn.items(), strict=True):
        row = np.full((side, width), np.nan)
        for k, image in enumerate(images[: width // (side + gap), 0]):
            left = k * (side + gap)
            row[:, left : left + side] = image
            axes.text(left + side / 2, -2, str(int(y[k])), ha="center", va="bottom", fontsize=9)
        axes.imshow(row, cmap="gray", vmin=-1, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.set_ylabel(f"{side}x{side}", rotation=0, ha="right", va="center")
        axes.spines[:].set_visible(False)
    figure.suptitle("Asked for: the label above each. Reliable at 28x28 alone", fontsize=11)
    show(
        figure,
        "Rows of images drawn at sides of 20, 28, 40 and 56 pixels, the label that was asked for above each. At 28 "
        "they are whole digits, at 20 two or three are; at 40 and 56 there are strokes, seldom like the digit.",
    )
