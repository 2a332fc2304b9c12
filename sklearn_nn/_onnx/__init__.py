"""Export to ONNX (``pip install 'sklearn_nn[onnx]'``)."""
