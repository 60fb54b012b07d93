"""Notebook 14: what this course found beside the papers, from `data/bench`, as tables and figures with alt text."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch

from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT, show
from mini_ddpm.course.stored import precision, real_sets, spread, stored
from mini_ddpm.course.tables import Table
from mini_ddpm.files import read_tensors, shipped
from mini_ddpm.runs.presets import preset
from mini_ddpm.schedules import linear_betas

LOSSES = {"L": "L even", "L, t by weight": "L by weight", "L_simple": "L_simple"}  # as stored -> on the page
MEASURES = {  # of the duel: key -> its name in the table, digits
    "bits_per_dim": ("bits/dim", 2),
    "standard_error": ("standard error, over images", 2),
    "L_0": ("of it, L_0", 2),
    "L_0, not clamped": ("L_0 without the clamp", 2),
    "fd_judge": ("FD-judge", 2),
    "accuracy": ("read as their label", 2),
}
SAMPLERS = {"fixed-small": (NOISY, "o-"), "fixed-large": (NOISE, "s--"), "learned-range": (MODEL, "^:")}
SAMPLERS |= {"ddim": (RESULT, "d-.")}
ADM_CHANGES = {  # ADM, Table 1: change of FID on ImageNet 128x128 after 700,000 steps; of AdaGN, Table 3
    "4 heads": -0.54,
    "attention at 14 and 7": -0.72,
    "BigGAN resampling": -1.20,
    "rescaled residuals": 0.16,
    "AdaGN": 13.06 - 15.08,
    "all but rescaling": -3.14,
}


def bits_table() -> Table:
    """Bits/dim of the two shipped models whose bound is stored."""
    tensors, how = read_tensors(shipped("bench/bound.safetensors"))
    digits, colour = tensors["bits_per_dim"], stored("cifar10-bits")
    mnist = (float(digits.mean()), float(digits.std() / len(digits) ** 0.5), how["n"], how["machine"])
    cifar = (colour["bits_per_dim"], colour["standard_error"], colour["n"], colour["machine"])
    command = "mini-ddpm evaluate"
    chains = ("MNIST, cosine, T = 4000", "CIFAR-10, cosine, T = 1000")
    rows = [
        (name, chain, f"{bits:.3f}", f"{error:.3f}", f"{n}", f"{command} {name} --bits {n} --precision float32")
        for name, chain, (bits, error, n, machine) in zip((how["run"], "cifar10"), chains, (mnist, cifar), strict=True)
        if precision(machine) == "float32"
    ]
    head = ("model", "data, chain", "bits/dim", "standard error", "test images", "repeat")
    caption = "velocity, labels given, float32, one training run each; how they were trained: data/weights"
    return Table(head, rows, caption)


def ours_table() -> Table:
    """What this course trained on images, as far as it has been, and how that differs from DDPM's recipe."""
    ways = stored("recipe")
    digits = [row for row in ways["rows"] if (row["choice"], row["way"][:4]) == ("the preset", "ddim")]
    duel_rows = [row for row in stored("objective")["rows"] if row["loss"] == "L_simple"]
    real, few = ([one["fd_judge"] for one in real_sets(n)] for n in (ways["n"], stored("objective")["n"]))
    run, drawn = stored("cifar10"), stored("cifar10-evaluation")
    fd, floor = drawn["FD-cifar10-judge"], drawn["FD-cifar10-judge of test images"]

    def row(name: str, steps: int, n: int | None, drawn: str | None, real: str | None) -> tuple[str | None, ...]:
        one = preset(name)
        labels = f"yes, guidance {one.sampling.guidance:g}" if one.unet.classes else "no"
        recipe = f"{one.schedule}, {one.parameterization}, {one.loss}"
        return (name, recipe, labels, f"{steps:,}", None if n is None else f"{n:,}", drawn, real)

    def ours(values: list[float], digits: int = 3) -> str:
        return f"FD-judge {spread(values, digits)}"

    rows = [
        row("mnist-laptop", ways["steps"], ways["n"], ours([one["fd_judge"] for one in digits]), spread(real, 3)),
        row("cifar10-laptop", run["steps"], drawn["n"], f"FD-cifar10-judge {fd:.0f}", f"{floor:.1f}"),
        (
            "the duel below",
            "linear, eps, simple",
            "yes, no guidance",
            f"{stored('objective')['steps']:,}",
            f"{stored('objective')['n']}",
            ours([one["fd_judge"] for one in duel_rows], 2),
            spread(few, 2),
        ),
        *(row(name, preset(name).training.steps, None, None, None) for name in ("cifar10-25min", "cifar10-ddpm")),
    ]
    head = ("preset", "schedule, target, loss", "labels", "steps", "n", "drawn", "as many real images")
    caption = (
        "three training runs for digits, one for CIFAR-10; an empty row is not yet measured\n"
        f"real digits: {len(real)} and {len(few)} sets of MNIST's test digits, shuffled, as many of each class\n"
        "repeat: make bench-recipe (digits), mini-ddpm evaluate cifar10 --n 10000"
    )
    return Table(head, rows, caption)


def duel(name: str) -> dict[str, dict[str, list[float]]]:
    """Three losses compared: loss -> figure -> one value a seed."""
    rows = stored(name)["rows"]
    return {loss: {key: [row[key] for row in rows if row["loss"] == loss] for key in MEASURES} for loss in LOSSES}


def duel_table(name: str) -> Table:
    """A stored duel: mean, least and largest over the seeds; beside it as many real digits."""
    found, record = duel(name), stored(name)
    seeds = {row["seed"] for row in record["rows"]}
    known = real_sets(record["n"])
    real = {key: spread([row[key] for row in known]) for key in ("fd_judge", "accuracy")}
    rows = [
        (what, *(spread(found[loss][key], digits) for loss in LOSSES), real.get(key))
        for key, (what, digits) in MEASURES.items()
    ]
    long = " --steps 12000 --seeds 0 --out runs/bench/objective-long.json" if "long" in name else ""
    caption = (
        f"{record['steps']:,} steps of 32 images, {len(seeds)} training run{'s' * (len(seeds) > 1)}; "
        f"{record['n']} digits drawn in 100 of 1000 steps, fixed-large, labels, no guidance; {record['bits']} coded; "
        "real ones: MNIST's test digits, shuffled\n"
        f"{record['machine']}\nrepeat: python tests/bench/objective.py{long}"
    )
    return Table(("", *LOSSES.values(), f"real digits, {len(known)} sets"), rows, caption)


def gradients_table() -> Table:
    """The norms of the gradients before the clip, over all seeds, and how many steps it changes."""
    record, rows = stored("objective-norms"), []
    for loss in dict.fromkeys(row["loss"] for row in record["rows"]):
        own = [row for row in record["rows"] if row["loss"] == loss]
        clipped = spread([100 * row["norm above 1"] for row in own], 0)
        largest = max(row["norm, largest"] / row["norm"] for row in own)
        rows.append((LOSSES[loss], spread([row["norm"] for row in own], 3), f"{largest:.0f} times", clipped))
    seeds = {row["seed"] for row in record["rows"]}
    caption = f"steps 51 to {record['until']} of {record['steps']:,}, {len(seeds)} training runs\n"
    (free,) = stored("objective-clip")["rows"]
    beside = duel("objective")["L, t by weight"]["fd_judge"][free["seed"]]
    caption += f"without the clip, seed {free['seed']}: FD-judge {free['fd_judge']:.2f}, with it {beside:.2f}\n"
    caption += 'repeat: python tests/bench/objective.py --choices L "L, t by weight" '
    caption += f"--until {record['until']} --n 0 --bits 0 --out runs/bench/objective-norms.json"
    return Table(("gradient of", "median norm", "the largest", "clipped, in %"), rows, caption)


def draw_sheets(name: str, alt: str) -> None:
    """The digits that each of the three losses drew, seed 0."""
    drawn, panels = plt.subplots(3, 1, figsize=(9, 1.9))
    for k, (axes, loss) in enumerate(zip(panels, LOSSES.values(), strict=True)):
        axes.imshow(plt.imread(shipped("bench") / f"{name}-{k}.png"), cmap="gray")
        axes.set_ylabel(loss, rotation=0, ha="right", va="center")
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
    show(drawn, alt)


def weight_table() -> Table:
    """Where the weight of L lies, and where evenly drawn times do."""
    betas = linear_betas(1000)
    weights = betas / (2 * (1 - betas) * (1 - torch.cumprod(1 - betas, dim=0)))  # sigma^2 = beta
    parts = [(1, 20), (21, 500), (501, 1000)]
    share = [float(weights[first - 1 : last].sum() / weights.sum()) for first, last in parts]
    rows = [
        (f"{first} to {last}", f"{part:.0%}", f"{(last - first + 1) / 1000:.0%}")
        for (first, last), part in zip(parts, share, strict=True)
    ]
    return Table(("t", "of the weight of L", "of all t"), rows, "linear schedule, T = 1000, variance beta")


def strided() -> dict[str, dict[int, list[float]]]:
    """FD-judge of 1,000 digits: sampler -> steps -> one value a seed; three seeds at ten steps, else one."""
    found: dict[str, dict[int, list[float]]] = {sampler: {} for sampler in SAMPLERS}
    for name in ("strided", "strided-seed1", "strided-seed2"):
        for row in stored(name)["rows"]:
            if row["n"] == 1000:
                found[row["choice"]].setdefault(row["steps"], []).append(row["fd_judge"])
    return {sampler: dict(sorted(steps.items())) for sampler, steps in found.items()}


def strided_table() -> Table:
    """The same as a table, and what ten steps cost against 250 with the same seed."""
    found, record = strided(), stored("strided")
    steps = [*found["ddim"]]
    rows = []
    for sampler, values in found.items():
        lost = values[10][0] - values[250][0]
        rows.append((sampler, *(spread(values[k], 3) for k in steps), f"{lost:+.3f}"))
    caption = (
        f"FD-judge of 1,000 digits, {record['run']}, seed 0 (at ten steps seeds 0 to 2); {record['machine']}\n"
        f"repeat: python tests/bench/strided.py --n 1000 --steps {' '.join(map(str, steps))}"
    )
    return Table(("sampler", *(f"{k} steps" for k in steps), "10 less 250, seed 0"), rows, caption)


def draw_strided() -> None:
    """FD over the number of steps, a line a sampler; dots for the other seeds at ten steps."""
    drawn, axes = plt.subplots(figsize=(7.5, 4))
    for sampler, values in strided().items():
        colour, style = SAMPLERS[sampler]
        axes.loglog([*values], [one[0] for one in values.values()], style, color=colour, label=sampler)
        axes.plot([10] * (len(values[10]) - 1), values[10][1:], style[0], color=colour, alpha=0.5)
    real = [row["fd_judge"] for row in stored("variances")["rows"] if row["choice"] == "real digits"]
    axes.axhline(float(np.mean(real)), color=IMAGE, linewidth=1, label="real digits")
    axes.set(xlabel="sampling steps", ylabel="FD-judge, n = 1000", title="Ten steps hurt the large fixed variance most")
    axes.set_yticks([0.02, 0.03, 0.05, 0.1, 0.2], ["0.02", "0.03", "0.05", "0.1", "0.2"])
    axes.set_xticks([10, 25, 50, 100, 250], ["10", "25", "50", "100", "250"])
    axes.minorticks_off()
    axes.legend()
    show(
        drawn,
        "FD of digits over sampling steps, both logarithmic: the large fixed variance falls from 0.17 to 0.03, the "
        "small and the learned one from about 0.04 to 0.03, and DDIM stays level at 0.04. Real digits lie at 0.02.",
    )


def changes() -> dict[str, list[float]]:
    """Change of FD-judge by each of ADM's choices, against the base of the same seed."""
    values: dict[str, list[float]] = {}
    for row in stored("ablation")["rows"]:
        values.setdefault(row["choice"], []).append(row["fd_judge"])
    base = np.array(values.pop("base"))
    return {choice: [float(d) for d in np.array(fd) - base] for choice, fd in values.items()}


def changes_table() -> Table:
    """Ours beside the paper's: only signs compare."""
    record, found = stored("ablation"), changes()
    gflop = {row["choice"]: row["gflop"] for row in record["rows"]}
    fd = {choice: [row["fd_judge"] for row in record["rows"] if row["choice"] == choice] for choice in gflop}
    both = ", ".join(f"{choice} {spread(fd[choice])}" for choice in ("base", "all but rescaling"))
    rows = [
        (
            choice,
            *(f"{d:+.2f}" for d in ours),
            f"{ADM_CHANGES[choice]:+.2f}",
            "yes" if agrees(choice, ours) else "no",
            f"{gflop[choice] / gflop['base']:.2f}",
        )
        for choice, ours in found.items()
    ]
    caption = (
        f"change of FD-judge against the base of the same seed; {record['steps']:,} steps of 32, "
        f"n = {record['n']} digits. FD-judge: {both}\n"
        f"{record['machine']}; repeat: python tests/bench/ablation.py\nthe paper: FID, ADM, Tables 1 and 3"
    )
    head = ("choice", "seed 0", "seed 1", "seed 2", "paper, FID", "its sign, every seed", "work, of the base")
    return Table(head, rows, caption)


def agrees(choice: str, ours: Sequence[float]) -> bool:
    """Whether every seed has the paper's sign."""
    return all(d * ADM_CHANGES[choice] > 0 for d in ours)


def draw_changes() -> None:
    """Each choice's change, a dot a seed, and the paper's sign."""
    (drawn, axes), found = plt.subplots(figsize=(8, 3.4)), changes()
    for k, (choice, ours) in enumerate(found.items()):
        colour = RESULT if agrees(choice, ours) else OTHER
        axes.plot(ours, [k] * len(ours), "o", color=colour, markersize=8)
        said = "better" if ADM_CHANGES[choice] < 0 else "worse"
        axes.annotate(f"the paper: {said}", (0.13, k), va="center", fontsize=9, backgroundcolor="white")
    axes.axvline(0, color=RESULT, linewidth=1)
    axes.set_yticks(range(len(found)), [*found])
    axes.set(xlabel="change of FD-judge (below 0 is better), one dot a seed", xlim=(-0.25, 0.23), ylim=(-0.6, 5.6))
    axes.grid(axis="y", visible=False)
    axes.set_title("All but rescaling together: better. Alone, in FD-judge: little beyond luck")
    axes.invert_yaxis()
    show(
        drawn,
        "Three dots for each of six choices around a line at zero. Only rescaled residuals, all three worse, and all "
        "but rescaling, all three better, are black; the others' dots lie on both sides.",
    )
