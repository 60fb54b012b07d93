"""The exercises of notebook 13."""

import torch
from torch import Tensor

from mini_ddpm.course.exercises.implement import Implement
from mini_ddpm.course.exercises.kinds import Debug, Exercise, Predict


def _combined(gradients: Tensor, sizes: Tensor) -> Tensor:
    return (sizes[:, None] * gradients).sum(0) / sizes.sum()


def _mean(gradients: Tensor, sizes: Tensor) -> Tensor:
    return gradients.mean(0)


def _sum(gradients: Tensor, sizes: Tensor) -> Tensor:
    return gradients.sum(0)


def _not_divided(gradients: Tensor, sizes: Tensor) -> Tensor:
    return (sizes[:, None] * gradients).sum(0)


def _divided_by_processes(gradients: Tensor, sizes: Tensor) -> Tensor:
    return (sizes[:, None] * gradients).sum(0) / len(sizes)


def _upside_down(gradients: Tensor, sizes: Tensor) -> Tensor:
    return (gradients / sizes[:, None]).sum(0) / (1 / sizes).sum()


def _frechet(mean_1: Tensor, variance_1: Tensor, mean_2: Tensor, variance_2: Tensor) -> Tensor:
    return ((mean_1 - mean_2) ** 2 + (variance_1.sqrt() - variance_2.sqrt()) ** 2).sum()


def _means_only(mean_1: Tensor, variance_1: Tensor, mean_2: Tensor, variance_2: Tensor) -> Tensor:
    return ((mean_1 - mean_2) ** 2).sum()


def _variances(mean_1: Tensor, variance_1: Tensor, mean_2: Tensor, variance_2: Tensor) -> Tensor:
    return ((mean_1 - mean_2) ** 2 + (variance_1 - variance_2) ** 2).sum()


def _rooted(mean_1: Tensor, variance_1: Tensor, mean_2: Tensor, variance_2: Tensor) -> Tensor:
    return _frechet(mean_1, variance_1, mean_2, variance_2).sqrt()


def _mixed_lost(mean_1: Tensor, variance_1: Tensor, mean_2: Tensor, variance_2: Tensor) -> Tensor:
    return ((mean_1 - mean_2) ** 2 + variance_1 + variance_2).sum()


def _averaged(mean_1: Tensor, variance_1: Tensor, mean_2: Tensor, variance_2: Tensor) -> Tensor:
    return _frechet(mean_1, variance_1, mean_2, variance_2) / mean_1.numel()


GRADIENTS = torch.tensor([[1.0, -2.0], [4.0, 0.0], [-2.0, 3.0]])
CLOUD = torch.tensor([0.0, 1.0, -0.5]), torch.tensor([1.0, 4.0, 0.25])
OTHER = torch.tensor([0.5, 1.0, 0.5]), torch.tensor([2.25, 1.0, 0.25])

PROGRAM = """```
1   torch.manual_seed(0)
2   model = DistributedDataParallel(UNet(config.unet).to(device))
3   for step in range(800_000):
4       x_0 = images[torch.randint(len(images), (32,))]
5       t = torch.randint(1, T + 1, (32,))
6       eps = torch.randn_like(x_0)
7       loss = simple_loss(process, model, x_0, t, eps).mean()
8       optimizer.zero_grad()
9       loss.backward()  # and the mean of the four gradients is taken
10      optimizer.step()
```"""

EXERCISES: tuple[Exercise, ...] = (
    Predict(
        "DDPM's run was 800,000 steps of 128 images. Its eight TPU cores made 21 steps a second (appendix B). Suppose "
        "a GPU makes 3,000 *images* a second. How many hours does each take? Two numbers, within 0.3: "
        "`q.check(theirs, yours)`.",
        (800_000 / 21 / 3600, 800_000 * 128 / 3000 / 3600),
        "(10.58, 9.48). 800,000 steps at 21 a second are 38,095 seconds; the paper says 10.6 hours. 102.4 million "
        "images at 3,000 a second are 34,133 seconds. A rate says nothing before its unit does: 21 steps a second are "
        "2,688 images.",
        (
            "A step is a batch of 128 images. Which of the two rates counts steps?",
            "Seconds are steps over steps a second, or images over images a second. There are 3,600 in an hour.",
        ),
        (
            ((10.58, 800_000 / 3000 / 3600), "The second rate counts images. How many are there in 800,000 steps?"),
            ((38_095 / 60, 34_133 / 60), "Those are minutes."),
            (
                (10.58 / 8, 9.48 / 8),
                "Divided by eight: the first rate is that of all eight cores already, and yours is one GPU.",
            ),
        ),
        within=0.3,
    ),
    Implement(
        "Three processes had parts of a batch of different sizes, and each took the mean gradient of its own part. "
        "Write `combined(gradients, sizes)`, which gives the gradient of the whole batch's mean loss; `gradients` is "
        "(k, d), a row a process, `sizes` (k,): `q.check(combined)`.",
        _combined,
        "`(sizes[:, None] * gradients).sum(0) / sizes.sum()`. Each mean is turned back into a sum, the sums are added, "
        "and divided by the number of all images. With equal sizes it is the plain mean of section 4. That is why the "
        "package wants a batch that the number of processes divides.",
        (
            "A mean over a part, times its size, is the sum over the part.",
            "The gradient wanted is the sum over all images, divided by their number.",
            "`sizes[:, None]` has a row for each process, as the gradients have.",
        ),
        (
            (_mean, "The plain mean: an image of the smallest part then counts for more than one of the largest."),
            (_sum, "The sum of the means is as many times too large as there are processes."),
            (_not_divided, "That is the gradient of the sum of all losses. Divide by the number of images."),
            (_divided_by_processes, "Divided by the number of processes; the mean is over images."),
            (
                _upside_down,
                "Each image of a large part counts less than one of a small part: the weights are inverted.",
            ),
        ),
        cases={
            "equal parts": (GRADIENTS, torch.tensor([4.0, 4.0, 4.0])),
            "parts of 5, 2 and 1": (GRADIENTS, torch.tensor([5.0, 2.0, 1.0])),
        },
    ),
    Debug(
        "Each of four GPUs runs this program. The loss falls and nothing stops, but the gradient is as noisy as with a "
        f"batch of 32, not of 128. Which line is to blame? `q.check(number)`.\n\n{PROGRAM}",
        1,
        "Line 1. All four have the same seed, so they draw the same images, times and noise. Four equal gradients have "
        "an equal mean: a step of 32 at four times the cost. Equal seeds are not even needed for equal weights, which "
        "`DistributedDataParallel` copies from the first process. `tests/test_parallel.py` compares the noise of two "
        "processes.",
        (
            "What would have to differ between the four, so that their mean is less noisy than each?",
            "Where do images, times and noise come from, and what decides which ones come?",
        ),
        (
            (2, "Line 2 is sound: it wraps the network so that gradients are exchanged, and makes the copies equal."),
            (3, "Line 3 is sound: as many steps as in the paper."),
            (4, "Line 4 is sound by itself: 32 images of the 128. But which ones do the other three draw?"),
            (5, "Line 5 is sound by itself: T + 1 is excluded. But which times do the other three draw?"),
            (6, "Line 6 is sound by itself: fresh noise. But which noise do the other three draw?"),
            (7, "Line 7 is sound: the mean over the part."),
            (8, "Line 8 is sound: the gradients of the step before are forgotten."),
            (9, "Line 9 is sound: a mean of means of equal parts is the mean."),
            (10, "Line 10 is sound: all copies make the same step."),
        ),
    ),
    Implement(
        "Two clouds of features are Gaussians whose dimensions are independent. Write their Fréchet distance, "
        "`frechet(mean_1, variance_1, mean_2, variance_2)`, from four vectors (d,). With covariances $C_1, C_2$ it is "
        r"$\lVert m_1 - m_2\rVert^2 + \mathrm{tr}(C_1 + C_2 - 2\,(C_1 C_2)^{1/2})$, and these are diagonal: "
        "`q.check(frechet)`.",
        _frechet,
        "`((mean_1 - mean_2) ** 2 + (variance_1.sqrt() - variance_2.sqrt()) ** 2).sum()`. With diagonal covariances "
        "the root is that of each entry, and the trace adds squares of differences of standard deviations. FID and all "
        "FD-numbers of this course are this number with full covariances; the published name FID keeps the square.",
        (
            "Each dimension gives one term for its means and one for its variances.",
            "The root of a product of diagonal matrices has the roots of the products of their entries.",
            r"$v_1 + v_2 - 2\sqrt{v_1 v_2}$ is a square: of what?",
        ),
        (
            (_means_only, "Only where the clouds lie. A network that draws one good image many times would pass."),
            (_variances, "The spread is compared by standard deviations, the roots of the variances."),
            (_rooted, "The distance's root. FID is the square, as the formula stands."),
            (_mixed_lost, "The last term of the trace is missing: two equal clouds must be 0 apart."),
            (_averaged, "A mean over dimensions; the formula has a sum, the trace."),
        ),
        cases={"two clouds": (*CLOUD, *OTHER), "a cloud and itself": (*CLOUD, *CLOUD)},
    ),
    Predict(
        "A model gets FD-cifar10-judge 20 from 1,000 samples. About how much of it would be left with very many, if "
        "few samples add to the model what they add to real images? Read it off the figure, within 1.5: `q.check(fd)`.",
        15,
        "About 15. Real images get 5 from 1,000, and less than 1 from very many, so about 5 of the 20 are owed to n. "
        "It is a rule of thumb: how much few samples add depends on the cloud. (A sample of 100 adds twenty to this "
        "page's network, and forty to real images.) So state n, compare equal n only, and show what real images get.",
        (
            "What do real images get at n = 1,000? They are as good at every n.",
            "Take that from the 20.",
        ),
        (
            (20, "Then n would not matter. Look at the figure: what do real images get from 1,000?"),
            (5, "That is what n adds. What is left without it?"),
            (20 / 9, "The distance of real images falls to a ninth between 200 and 2,000. The model's need not."),
            (10, "Half of it is what real images lose between 1,000 and 2,000, of theirs and not of the model's."),
        ),
        within=1.5,
    ),
)
