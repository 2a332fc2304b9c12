"""Deploy a pipeline as an ONNX graph
==================================

Predict without Python: onnxruntime runs the graph.

A scaler and a network are trained on half of the handwritten digits, 64 pixels each, and
exported with `to_onnx` as one graph. It takes pixels as they are and returns labels and
probabilities. (For a data frame: ``to_onnx(pipeline, frame)``, and an input per column.)

Expect the size of the graph and its names; "the same labels" as those of `predict`; a
largest difference of probabilities near 3e-8, the precision of float32; and the time per
row of the graph and of `predict_proba`, for one row and for all rows. For a single row most
of this time is overhead. Without onnx, skl2onnx and onnxruntime the script says what to
install. `--file` saves the graph as digits.onnx. The script saves a picture of the times as
deploy_with_onnx.png.
"""

import argparse
from time import perf_counter

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nn import BackpropMLPClassifier, to_onnx

try:
    import onnxruntime
except ImportError:
    onnxruntime = None

N_REPEATS = 20


def microseconds_per_row(predict, X):
    """Return the shortest of several times per row; longer ones contain more noise."""
    times = []
    for _ in range(N_REPEATS):
        start = perf_counter()
        predict(X)
        times.append(perf_counter() - start)
    return min(times) / len(X) * 1e6


def save_picture(times):
    """Save the times per row as bars, and say where."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("No picture: pip install 'sklearn_nn[plot]'")
        return
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    by_graph, by_model = zip(*times.values(), strict=True)
    places = np.arange(len(times))
    axes.barh(places - 0.2, by_graph, 0.4, color="#1f5fa8", label="onnxruntime")
    axes.barh(places + 0.2, by_model, 0.4, color="#c8500a", label="predict_proba")
    axes.set(yticks=places, yticklabels=list(times), xscale="log")
    axes.set(xlabel="microseconds per row")
    axes.legend()
    figure.savefig("deploy_with_onnx.png", dpi=120)
    print("Saved deploy_with_onnx.png in this folder.")


def main():
    """Compare the predictions of the graph with those of the pipeline."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", action="store_true", help="save digits.onnx")
    arguments = parser.parse_args()
    if onnxruntime is None:
        print("This needs: pip install 'sklearn_nn[onnx]' onnxruntime")
        return
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, _ = train_test_split(X, y, test_size=0.5, random_state=0)
    model = make_pipeline(StandardScaler(), BackpropMLPClassifier(random_state=0))
    model.fit(X_train, y_train)

    graph = to_onnx(model).SerializeToString()
    if arguments.file:
        with open("digits.onnx", "wb") as file:
            file.write(graph)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    ends = [end.name for end in (*session.get_inputs(), *session.get_outputs())]
    print(f"graph of {len(graph) / 1024:.0f} kB: {ends[0]} -> {', '.join(ends[1:])}")

    rows = X_test
    label, proba = session.run(None, {"X": rows})
    same = np.array_equal(label, model.predict(rows))
    difference = np.max(np.abs(proba - model.predict_proba(rows)))
    print(f"{len(rows)} rows: {'the same' if same else 'OTHER'} labels")
    print(f"largest difference of probabilities: {difference:.1e}")

    print("microseconds per row   onnxruntime   predict_proba")
    times = {}
    for some in (rows[:1], rows):
        by_graph = microseconds_per_row(lambda X: session.run(None, {"X": X}), some)
        by_model = microseconds_per_row(model.predict_proba, some)
        print(f"{len(some):8d} at once {by_graph:15.1f} {by_model:15.1f}")
        times[f"{len(some)} at once"] = by_graph, by_model
    save_picture(times)


if __name__ == "__main__":
    main()
