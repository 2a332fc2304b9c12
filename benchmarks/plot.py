"""Draw the curves of growth.py."""

import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator


def save_growth(found, path):
    """Save milliseconds per epoch against size, one panel for each list of Point.

    Parameters
    ----------
    found : dict of str -> list of Point
        Result of `growth.points`: four lists.
    path : str
        File name; its ending determines the format.
    """
    # Equal curves give equal files, so that a repository shows only real changes.
    plt.rcParams.update({"svg.hashsalt": "growth", "svg.fonttype": "none"})
    figure, axes = plt.subplots(2, 2, figsize=(9, 7.2), layout="constrained")
    for axis, (name, line) in zip(axes.flat, found.items(), strict=True):
        draw(axis, name, line)
    figure.suptitle("Time per epoch, float64, one thread (both axes logarithmic)")
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else {})
    plt.close(figure)


def draw(axis, name, line):
    """Draw one panel: peer and ours over size."""
    sizes = [point.size for point in line]
    peer = [1000 * point.peer for point in line]
    ours = [1000 * point.ours for point in line]
    axis.loglog(sizes, peer, "s--", color="C1", label=line[0].peer_name)
    axis.loglog(sizes, ours, "o-", color="C0", label="ours")
    label, details = name.split(" (", 1)
    axis.set(title=details.rstrip(")"), xlabel=label, ylabel="milliseconds an epoch")
    # Room above and below, so that a flat curve looks flat.
    axis.set_ylim(min(ours + peer) / 2, 2 * max(ours + peer))
    axis.xaxis.set_major_locator(FixedLocator(sizes))
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    for scale in (axis.xaxis, axis.yaxis):
        scale.set_minor_locator(NullLocator())
        scale.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.grid(alpha=0.3)
    axis.legend()
