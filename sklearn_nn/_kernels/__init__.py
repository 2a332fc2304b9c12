"""C kernels; missing if the package was installed without a C compiler."""
