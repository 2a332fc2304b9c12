"""Watch it learn
==============

A network learns two moons or XOR, and each frame of a film shows its progress. On the left
is the predicted probability at each point of the plane, with the lines where hidden units
switch on; on the right is the loss. With relu units, the decision boundary bends only at
these lines. One call of `partial_fit` is one epoch, so that the film shows the same
training as `fit`::

    python watch_it_learn.py
    python watch_it_learn.py --data xor --save xor.html

The film, watch_it_learn.gif, takes a few seconds and needs matplotlib (extra `plot`); a GIF
has about 0.3 megabytes, a page four. Expect a line for every tenth frame, with the loss
falling from near log 2 = 0.69 to below 0.05, and nearly all of 2,000 new rows right at the
end.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.datasets import make_moons

from sklearn_nn import BackpropMLPClassifier

N_FRAMES, N_EPOCHS, FRAMES_A_SECOND = 50, 300, 12
N_GRID = 120
ORANGE, BLUE = "#c8500a", "#1f5fa8"
PALE_ORANGE, PALE_BLUE = "#eda671", "#85b1e2"
N_BANDS = 11  # colours of the plane; few make a small file


class Frame(NamedTuple):
    """The data of one frame, after an epoch."""

    epoch: int
    proba: np.ndarray  # (N_GRID, N_GRID), of class 1
    units: list  # (w1, w2, b) of each hidden unit
    losses: list  # of all epochs so far, nats per row
    accuracy: float  # of rows that are not in the picture


def make_data(name, n_rows=200, seed=0):
    """Return X of shape (n_rows, 2) and labels 0 and 1."""
    if name == "moons":
        X, y = make_moons(n_rows, noise=0.12, random_state=seed)
        return (X - [0.5, 0.25]) / [0.9, 0.5], y
    rng = np.random.RandomState(seed)
    corners = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    labels = np.arange(n_rows) % 4
    X = corners[labels] + 0.25 * rng.normal(size=(n_rows, 2))
    return X, np.isin(labels, (1, 2)) * 1


def plane(X):
    """Return the grid points (N_GRID**2, 2) of a square around X, and its half width."""
    half = 1.15 * np.abs(X).max()
    axis = np.linspace(-half, half, N_GRID)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2), half


def train(X, y, X_new, y_new):
    """Yield a Frame after some of the epochs, more often at the start."""
    model = BackpropMLPClassifier((12,), learning_rate=0.01, batch_size=50, random_state=2)
    points, _ = plane(X)
    shown = set(np.geomspace(1, N_EPOCHS, N_FRAMES).round().astype(int).tolist())
    for epoch in range(1, N_EPOCHS + 1):
        model.partial_fit(X, y, classes=[0, 1])
        if epoch in shown:
            proba = model.predict_proba(points)[:, 1].reshape(N_GRID, N_GRID)
            units = list(zip(*model.coefs_[0], model.intercepts_[0], strict=True))
            losses = list(model.loss_curve_)
            yield Frame(epoch, proba, units, losses, model.score(X_new, y_new))


def bands():
    """Return the colours of the plane, from class 0 to class 1."""
    from matplotlib.colors import LinearSegmentedColormap

    ends = [PALE_ORANGE, "white", PALE_BLUE]
    return LinearSegmentedColormap.from_list("bands", ends, N=N_BANDS)


def prepare(figure, X, y):
    """Draw the constant parts; return the two axes, the image, the lines and the curve."""
    left, right = figure.subplots(1, 2)
    _, half = plane(X)
    picture = left.imshow(
        np.full((2, 2), 0.5),
        extent=(-half, half, -half, half),
        origin="lower",
        cmap=bands(),
        vmin=0,
        vmax=1,
        interpolation="bilinear",
        interpolation_stage="data",  # no colours between those of the bands
    )
    units = [left.plot([], [], color="0.25", linewidth=0.6)[0] for _ in range(12)]
    colors = np.where(y, BLUE, ORANGE)
    left.scatter(*X.T, c=colors, s=16, edgecolor="white", linewidth=0.5, zorder=3)
    left.set(xlim=(-half, half), ylim=(-half, half), xticks=[], yticks=[])
    (curve,) = right.plot([], [], color="black")
    right.set(xscale="log", yscale="log", xlim=(1, N_EPOCHS), xlabel="epoch")
    right.set(ylabel="loss, nats per row", ylim=(0.003, 1.5))
    right.minorticks_off()  # drawing them would take half of the time
    right.axhline(np.log(2), color="0.7", linestyle=":", zorder=0)
    right.text(N_EPOCHS, 0.76, "null model", color="0.5", fontsize=8, ha="right")
    right.spines[["top", "right"]].set_visible(False)
    return left, right, picture, units, curve


def make_film(frames, X, y):
    """Return a matplotlib animation of the frames."""
    from matplotlib import pyplot as plt
    from matplotlib.animation import FuncAnimation

    figure = plt.figure(figsize=(8, 4), dpi=70)
    figure.subplots_adjust(0.02, 0.13, 0.97, 0.92, wspace=0.22)
    left, right, picture, units, curve = prepare(figure, X, y)
    _, half = plane(X)
    ends = np.array([-2.0, 2.0]) * half

    def show(frame):
        picture.set_data(frame.proba)
        for line, (w1, w2, b) in zip(units, frame.units, strict=True):
            # The line w1 x1 + w2 x2 + b = 0, from its nearest point to the origin (foot).
            length = np.hypot(w1, w2)
            along, foot = np.array([-w2, w1]) / length, -b * np.array([w1, w2]) / length**2
            line.set_data(foot[:, None] + along[:, None] * ends)
        curve.set_data(np.arange(1, frame.epoch + 1), frame.losses)
        left.set_title(f"{100 * frame.accuracy:.0f} % of new rows right")
        right.set_title(f"epoch {frame.epoch}")

    shown = frames + frames[-1:] * FRAMES_A_SECOND  # show the last frame for a second
    film = FuncAnimation(figure, show, shown, interval=1000 / FRAMES_A_SECOND)
    return figure, film


def share_colors(path):
    """Give all frames of a GIF the same few colours, which makes it a third as large."""
    from matplotlib.colors import to_rgb
    from PIL import Image, ImageSequence

    names = [ORANGE, BLUE, "#d98a5c", "#6f97c8", "black", "0.25", "0.5", "0.7", "0.88"]
    colors = [*map(to_rgb, names), *bands()(np.arange(N_BANDS))[:, :3]]
    palette = Image.new("P", (1, 1))
    palette.putpalette((255 * np.array(colors)).round().astype(np.uint8).tobytes())
    with Image.open(path) as film:
        frames = [
            frame.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
            for frame in ImageSequence.Iterator(film)
        ]
        times = [frame.info["duration"] for frame in ImageSequence.Iterator(film)]
    first, *others = frames
    first.save(path, save_all=True, append_images=others, duration=times, loop=0)


def save(film, path):
    """Write a GIF, or a page with player controls if the name ends in .html."""
    if path.suffix == ".html":
        path.write_text(film.to_jshtml(), encoding="utf-8")
    else:
        film.save(path, writer="pillow", fps=FRAMES_A_SECOND)
        share_colors(path)
    where = " in this folder" if path == Path(path.name) else ""
    print(f"Saved {path}{where}, {path.stat().st_size / 1e6:.1f} MB.")


def main():
    """Train, print, and save the film."""
    parser = argparse.ArgumentParser(description="Watch it learn: see the top of the file.")
    parser.add_argument("--data", choices=["moons", "xor"], default="moons")
    parser.add_argument(
        "--save",
        type=Path,
        default=Path("watch_it_learn.gif"),
        help="film to write: .gif or .html",
    )
    arguments = parser.parse_args()
    X, y = make_data(arguments.data)
    frames = list(train(X, y, *make_data(arguments.data, n_rows=2000, seed=1)))
    for frame in [*frames[::10], frames[-1]]:
        print(
            f"epoch {frame.epoch:3d}   loss {frame.losses[-1]:.4f}   "
            f"accuracy {100 * frame.accuracy:5.1f} %"
        )
    try:
        from matplotlib import pyplot as plt
    except ImportError:
        print("No film: pip install 'sklearn_nn[plot]'")
        return
    figure, film = make_film(frames, X, y)
    save(film, arguments.save)
    plt.close(figure)


if __name__ == "__main__":
    main()
