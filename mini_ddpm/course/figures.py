"""The look of the course's figures."""

import matplotlib.pyplot as plt


def use_style() -> None:
    """The look of every figure: colours that a colour-blind reader can tell apart, a faint grid, room for labels."""
    plt.style.use("tableau-colorblind10")
    plt.rcParams.update({"figure.figsize": (7, 3.8), "figure.constrained_layout.use": True, "axes.grid": True})
    plt.rcParams.update({"grid.alpha": 0.3, "font.size": 10, "axes.titlesize": 11})
