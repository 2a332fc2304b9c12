"""C kernels; an installation without a C compiler has none."""
